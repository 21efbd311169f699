"""``tm plugin check``: the whole contract of installed plugins, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from teachmatters.api import ModelSpec
from teachmatters.hookspecs import API_VERSION
from teachmatters.plugin.checks.docstrings import check_docstrings
from teachmatters.plugin.checks.specs import check_facts, check_references
from teachmatters.plugin.checks.start import check_start
from teachmatters.plugin.findings import Finding, Listener, Sheet, wrong
from teachmatters.plugin.source import Package
from teachmatters.registry import Plugin, load
from teachmatters.registry.versions import ATTRIBUTE

NAMES = {
    "register_models": "model",
    "register_datasets": "data set",
    "register_analyses": "analysis",
    "register_reports": "report",
    "register_commands": "command",
}


def check(
    plugins: Sequence[Plugin],
    *,
    data_root: Path | None = None,
    models: Sequence[ModelSpec] = (),
    listener: Listener | None = None,
) -> list[Finding]:
    """Run the contract on some plugins of the registry; nothing is fetched.

    Args:
        plugins: of ``registry.load()``, whose specs are looked up there.
        data_root: where data sets lie, or one of them; None: TM_DATA.
        models: further ones to check with the first plugin, such as what a prefix stands for.
        listener: is told how far it is.

    Returns:
        what each check found, in their order.
    """
    findings = []
    for number, plugin in enumerate(plugins):
        sheet = Sheet(plugin, Package(plugin.module))
        parts = [*_parts(sheet, data_root), *(_model(sheet, spec) for spec in (models if number == 0 else ()))]
        if listener is not None:
            listener.begin(f"checking {plugin.name}", len(parts))
        for part in parts:
            part()
            if listener is not None:
                listener.advance(1)
        findings += sheet.findings
    if listener is not None:
        listener.finish()
    return findings


def _parts(sheet: Sheet, data_root: Path | None) -> Iterator[Callable[[], None]]:
    """The plugin itself, then each of its specs."""
    yield lambda: _check_plugin(sheet)
    if sheet.plugin.specs and not sheet.plugin.built_in:
        yield lambda: check_docstrings(sheet)
    yield from (_part(sheet, hook, spec, data_root) for hook, specs in sheet.plugin.specs.items() for spec in specs)


def _check_plugin(sheet: Sheet) -> None:
    plugin = sheet.plugin
    entry = sheet.package.file_of(plugin.module)
    sheet.home = str(entry or "")
    with sheet.check("found") as tell:
        for problem in plugin.problems:
            tell(problem, _place_of_problem(sheet, problem))
    if plugin.api is None:
        with sheet.check("plugin API") as tell:
            if not any("cannot be loaded" in problem for problem in plugin.problems):
                line = f"{ATTRIBUTE} = {API_VERSION}"
                tell(f"it does not say for which plugin API it is made: put {line} into {plugin.module}")
    check_start(sheet)


def _place_of_problem(sheet: Sheet, problem: str) -> str:
    """Where the hook is defined that a problem names."""
    return sheet.package.place_of_function(problem.partition(":")[0].split(" ")[0])


def _part(sheet: Sheet, hook: str, spec: Any, data_root: Path | None) -> Callable[[], None]:
    def run() -> None:
        _begin(sheet, hook, spec)
        if spec in sheet.plugin.specs.get(hook, ()):  # of what a prefix stands for, nobody need know the licence
            check_facts(sheet, spec)
        check_references(sheet, spec)
        if not sheet.not_ok("names code"):
            _check_of(hook, sheet, spec, data_root)

    return run


def _begin(sheet: Sheet, hook: str, spec: Any) -> None:
    sheet.about = f"{NAMES[hook]} {spec.name}"
    own = sheet.package.place_of_spec(type(spec).__name__, spec.name)
    sheet.home = own or sheet.package.place_of_function(hook)


def _check_of(hook: str, sheet: Sheet, spec: Any, data_root: Path | None) -> None:
    """What needs torch or Pillow is imported when something of its kind is checked."""
    match hook:
        case "register_models":
            from teachmatters.plugin.checks.model import check_model

            check_model(sheet, spec)
        case "register_datasets":
            from teachmatters.plugin.checks.dataset import check_dataset

            check_dataset(sheet, spec, data_root)
        case "register_analyses":
            from teachmatters.plugin.checks.analysis import check_analysis

            check_analysis(sheet, spec, data_root)
        case "register_reports":
            from teachmatters.plugin.checks.report import check_report

            check_report(sheet, spec)
        case "register_commands":
            from teachmatters.plugin.checks.command import check_command

            check_command(sheet, spec)


def _model(sheet: Sheet, spec: ModelSpec) -> Callable[[], None]:
    return _part(sheet, "register_models", spec, None)


def faults(name: str, data_root: Path | None = None) -> list[str]:
    """What is wrong with an installed plugin, a line each: for the tests of a plugin.

    >>> faults("cli")
    []
    """
    chosen = [plugin for plugin in load().plugins if name in (plugin.name, plugin.distribution)]
    if not chosen:
        return [f"no plugin is called {name!r}: is it installed (pip install -e), and is TM_LOAD_PLUGINS right?"]
    found = wrong(check(chosen, data_root=data_root))
    return [f"{each.about}, {each.check}: {each.message} [{each.where}]" for each in found]
