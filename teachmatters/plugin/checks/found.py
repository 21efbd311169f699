"""Check that a plugin is found and loaded, and locate the line of each problem."""

from __future__ import annotations

import importlib
import re

from teachmatters.hookspecs import API_VERSION
from teachmatters.plugin.findings import CheckList
from teachmatters.registry import HOOKS
from teachmatters.registry.versions import ATTRIBUTE

UNLOADED = "cannot be loaded"
SPECS = (*(kind.__name__ for kind in HOOKS.values()), "MetricSpec")


def check_found(sheet: CheckList) -> None:
    """Check that the plugin loads, its hooks and specs are valid, and it declares its version of the plugin API."""
    plugin = sheet.plugin
    with sheet.check("found") as tell:
        for problem in plugin.problems:
            tell(problem, _place(sheet, problem))
    if plugin.api is None:
        with sheet.check("plugin API") as tell:
            if not any(UNLOADED in problem for problem in plugin.problems):
                line = f"{ATTRIBUTE} = {API_VERSION}"
                tell(f"it does not declare its plugin API: put {line} into {plugin.module}")


def _place(sheet: CheckList, problem: str) -> str:
    """Return the line that fails, else that of the hook, spec or version that a problem names; empty if unknown."""
    package = sheet.package
    if problem.startswith(UNLOADED) and (where := _where_it_fails(sheet)):
        return where
    names = [problem.partition(":")[0], *re.findall(r"'([^'\s]+)'", problem)]
    places = [package.place_of_function(name.partition(" ")[0]) for name in names]
    places += [package.place_of_spec(kind, name) for name in names for kind in SPECS]
    if "plugin API" in problem or ATTRIBUTE in problem:
        places.append(package.place_of_assignment(ATTRIBUTE))
    return next(filter(None, places), "")


def _where_it_fails(sheet: CheckList) -> str:
    """Import the module again to find the failing line, which the registry does not keep."""
    try:
        importlib.import_module(sheet.plugin.module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's import may raise anything
        return sheet.package.place_of_error(error)
    return ""
