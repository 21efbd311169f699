"""Finds plugins and calls their hooks. A broken plugin is reported and never ends the command."""

from __future__ import annotations

import importlib
import os
import reprlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from teachmatters import hookspecs
from teachmatters.api import AnalysisSpec, CommandSpec, DatasetSpec, ModelSpec, ReportSpec
from teachmatters.errors import did_you_mean
from teachmatters.registry.references import words
from teachmatters.registry.validate import problem
from teachmatters.registry.versions import declared_by, declared_in_source, mismatch

# Names instead of imports, because the registry imports none of these packages and some of them import it.
BUILT_IN = (
    "teachmatters.models.specs",
    "teachmatters.datasets.specs",
    "teachmatters.analyses.specs",
    "teachmatters.reports.builtin.specs",
    "teachmatters.cli.specs",
)

HOOKS: dict[str, type] = {
    "register_models": ModelSpec,
    "register_datasets": DatasetSpec,
    "register_analyses": AnalysisSpec,
    "register_reports": ReportSpec,
    "register_commands": CommandSpec,
}


@dataclass(slots=True)
class Plugin:
    """One plugin as ``tm plugins`` shows it.

    Attributes:
        name: name of its entry point, or the package of a built-in (``models``).
        distribution, version: the installed package that it belongs to.
        built_in: whether it is part of this package.
        specs: its specs by hook.
        problems: sentences about what is wrong with it.
        module: the module of its entry point.
        api: the version of the plugin API that it declares; None if it declares none.
    """

    name: str
    distribution: str
    version: str
    built_in: bool = False
    specs: dict[str, list[Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    module: str = ""
    api: object = None


def discover() -> list[Plugin]:
    """Load every built-in and installed plugin with its specs.

    ``TM_LOAD_PLUGINS`` restricts the installed plugins to a comma-separated list of distributions or entry points; if
    it is empty, none is loaded.
    """
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    from teachmatters import __version__

    plugins = []
    for module in BUILT_IN:
        package = module.split(".")[1]
        plugin = Plugin(package, "teachmatters", __version__, built_in=True, module=module, api=hookspecs.API_VERSION)
        _load(manager, plugin, lambda module=module: importlib.import_module(module))  # type: ignore[misc]
        plugins.append(plugin)
    for entry in _entries():
        distribution = entry.dist
        about = (distribution.name, distribution.version) if distribution else ("unknown", "")
        plugin = Plugin(entry.name, *about, module=entry.module)
        _load(manager, plugin, entry.load)
        plugins.append(plugin)
    return plugins


def _entries() -> Iterator[EntryPoint]:
    wanted = os.environ.get("TM_LOAD_PLUGINS")
    allowed = None if wanted is None else {name.strip() for name in wanted.split(",") if name.strip()}
    if allowed == set():
        return
    found = entry_points(group=hookspecs.GROUP)
    for entry in sorted(found, key=lambda e: (e.dist.name if e.dist else "", e.name)):
        if allowed is None or entry.name in allowed or (entry.dist and entry.dist.name in allowed):
            yield entry


def _load(manager: pluggy.PluginManager, plugin: Plugin, load: Callable[[], object]) -> None:
    name = f"{plugin.distribution}:{plugin.name}"  # entry points of two distributions may share a name
    try:
        module = load()
        plugin.api = plugin.api or declared_by(module)
        if (other := mismatch(plugin.api, plugin.distribution)) is not None:
            plugin.problems.append(other)
            return
        manager.register(module, name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's import must not end the command
        plugin.api = declared_in_source(plugin.module)
        other = mismatch(plugin.api, plugin.distribution) if plugin.api is not None else None
        plugin.problems.append(f"cannot be loaded: {words(error)}" + (f"; {other}" if other else ""))
        return
    for caller in manager.get_hookcallers(module) or []:
        if not caller.has_spec():
            near = did_you_mean(caller.name, HOOKS)
            plugin.problems.append(f"no hook is called {caller.name!r}. {near}The hooks are: {', '.join(HOOKS)}")
            continue
        for implementation in caller.get_hookimpls():
            if implementation.plugin_name == name:
                plugin.specs[caller.name] = _call_hook(plugin, caller.name, implementation.function)
    if not any(plugin.specs.values()) and not plugin.problems:
        plugin.problems.append("offers nothing: none of its hooks returned a spec")


def _call_hook(plugin: Plugin, hook: str, function: Callable[[], object]) -> list[Any]:
    try:
        answer = function()
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's hook must not end the command
        plugin.problems.append(f"{hook} failed: {words(error)}")
        return []
    if not isinstance(answer, list | tuple):
        plugin.problems.append(f"{hook} must return a list, not {type(answer).__name__}")
        return []
    other = next((spec for spec in answer if not isinstance(spec, HOOKS[hook])), None)
    if other is not None:
        plugin.problems.append(f"{hook} must list {HOOKS[hook].__name__} objects, not {type(other).__name__}")
    own = [spec for spec in answer if isinstance(spec, HOOKS[hook])]
    # Built-in specs do not change; a test checks them once instead of every command.
    return own if plugin.built_in else [spec for spec in own if _is_valid(plugin, hook, spec)]


def _is_valid(plugin: Plugin, hook: str, spec: Any) -> bool:
    wrong = problem(spec)
    if wrong:
        plugin.problems.append(f"{hook}: {reprlib.repr(spec.name)} is left out: {wrong}")
    return not wrong
