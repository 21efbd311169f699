"""For which version of the plugin API a plugin is made, and whether that is the one that is here."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util

from teachmatters.hookspecs import API_VERSION

ATTRIBUTE = "TEACHMATTERS_API"
"""What the module of a plugin's entry point says it with: ``TEACHMATTERS_API = 2``."""

FIRST = 2  # the version of the first release, for which a plugin that says nothing is taken to be made


def declared_by(module: object) -> object:
    """What a plugin's module says; None if it says nothing."""
    return getattr(module, ATTRIBUTE, None)


def declared_in_source(module: str) -> object:
    """The same of a module that cannot be imported, which another version's often cannot; None if it is not found."""
    try:
        spec = importlib.util.find_spec(module) if module else None
        loader = spec.loader if spec else None
        tree = ast.parse(loader.get_source(module) or "") if isinstance(loader, importlib.abc.InspectLoader) else None
    except (ImportError, SyntaxError, ValueError, OSError):
        return None
    for statement in tree.body if tree else ():
        names = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            names = [statement.target]
        if any(isinstance(name, ast.Name) and name.id == ATTRIBUTE for name in names):
            value = statement.value  # type: ignore[attr-defined]  # both kinds of assignment have one
            return value.value if isinstance(value, ast.Constant) else None
    return None


def mismatch(declared: object, distribution: str) -> str | None:
    """Why a plugin that says this cannot be used, in plain words; None when it can.

    >>> mismatch(2, "tm-mine"), mismatch(None, "tm-mine")
    (None, None)
    >>> mismatch(3, "tm-mine")
    'it is made for plugin API 3, and this teachmatters has 2, so none of it is used: upgrade teachmatters'
    >>> mismatch("1", "tm-mine")
    "TEACHMATTERS_API must be a whole number such as 2, not '1'; none of it is used"
    """
    version = FIRST if declared is None else declared
    if not isinstance(version, int) or isinstance(version, bool):
        return f"{ATTRIBUTE} must be a whole number such as {API_VERSION}, not {version!r}; none of it is used"
    if version == API_VERSION:
        return None
    remedy = "upgrade teachmatters" if version > API_VERSION else f"upgrade {distribution}"
    told = "it is made" if declared is not None else "it says no version and is taken to be made"
    return f"{told} for plugin API {version}, and this teachmatters has {API_VERSION}, so none of it is used: {remedy}"
