"""Check that the name of a new plugin is valid and unused."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import keyword
import re
import sys

from teachmatters.errors import TeachMattersError
from teachmatters.registry import SUITES, load

LONGEST = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN = {"tests", "teachmatters", "tm"}


def module_of(name: str) -> str:
    """Return the name of the Python package of a plugin.

    >>> module_of("my-vit")
    'my_vit'
    """
    return name.replace("-", "_")


def check_name(name: str) -> None:
    """Check that a name can be that of a package and is not taken.

    Raises:
        TeachMattersError: the name is invalid or taken; the message says what to do.
    """
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        advice = f"; {near!r} is valid" if _NAME.fullmatch(near) and len(near) <= LONGEST else ""
        raise TeachMattersError(
            f"{name!r} is not a valid plugin name: use lower-case letters, digits and single '-' between them, "
            f"beginning with a letter, such as 'my-vit'{advice}"
        )
    if len(name) > LONGEST:
        raise TeachMattersError(
            f"{name!r} has {len(name)} characters; at most {LONGEST} are allowed: choose a shorter one"
        )
    if (whose := _taken_by(name)) is not None:
        raise TeachMattersError(f"the name {name!r} is taken: {whose}; choose another, such as {'my-' + name[:36]!r}")


def _taken_by(name: str) -> str | None:
    module = module_of(name)
    if keyword.iskeyword(module):
        return "it is a Python keyword"
    if module in sys.stdlib_module_names or module in _TAKEN or name in SUITES:
        return "it has another meaning in Python, pytest or tm"
    return _offered(name) or _installed(name, module)


def _offered(name: str) -> str | None:
    """Return the entry of the registry that has a name, built-in or of a plugin."""
    registry = load()
    for kind, names in {
        "model": {*registry.models, *registry.aliases},
        "data set": registry.datasets,
        "analysis": registry.analyses,
        "metric": {metric.name for spec in registry.analyses.values() for metric in spec.metrics},
        "report": registry.reports,
        "command": registry.commands,
        "plugin": {label for plugin in registry.plugins for label in (plugin.name, plugin.distribution)},
    }.items():
        if name in names:
            return f"there is a {kind} with this name".replace("a analysis", "an analysis")
    return None


def _installed(name: str, module: str) -> str | None:
    try:
        return f"{importlib.metadata.distribution(name).name} is installed (pip uninstall {name})"
    except importlib.metadata.PackageNotFoundError:
        pass
    found = importlib.util.find_spec(module)
    return f"a Python package {module!r} already exists" if found is not None else None
