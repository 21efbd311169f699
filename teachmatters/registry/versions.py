"""The version of the plugin API that a plugin declares, and whether it is the version of this package."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util

from teachmatters.hookspecs import API_VERSION

ATTRIBUTE = "TEACHMATTERS_API"  # declared in the module of the entry point: ``TEACHMATTERS_API = 2``

FIRST = 2  # the version of the first release, assumed for a plugin that declares none


def declared_by(module: object) -> object:
    """Return the version that a plugin's module declares, None if it declares none."""
    return getattr(module, ATTRIBUTE, None)


def declared_in_source(module: str) -> object:
    """Return the version that a module declares without importing it, which may fail for another version's plugin."""
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
    """Return why a plugin with this declaration cannot be used, None if it can.

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
    made = "it is made" if declared is not None else "it declares no version, so it is assumed to be made"
    return f"{made} for plugin API {version}, and this teachmatters has {API_VERSION}, so none of it is used: {remedy}"
