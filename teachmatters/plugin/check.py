"""``tm plugin check``: check installed plugins against the contract."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from teachmatters.api import ModelSpec
from teachmatters.api.progress import NoProgress, Progress
from teachmatters.plugin.checks.docstrings import check_docstrings
from teachmatters.plugin.checks.found import check_found
from teachmatters.plugin.checks.specs import check_facts, check_references
from teachmatters.plugin.checks.start import check_start
from teachmatters.plugin.findings import CheckList, Finding, wrong
from teachmatters.plugin.source import Package, place
from teachmatters.plugin.which import by_owner, smaller, weights
from teachmatters.registry import Plugin, load

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
    progress: Progress | None = None,
) -> list[Finding]:
    """Check some plugins of the registry against the contract; nothing is downloaded.

    Args:
        plugins: plugins of ``registry.load()``.
        data_root: the folder of a data set, or of several; None for TM_DATA.
        models: models of these plugins to check in any case, such as one behind a prefix, or a large one.
        progress: receives the progress.

    Returns:
        the findings, in the order of the checks.

    Raises:
        TeachMattersError: a model belongs to another plugin.
    """
    named = by_owner(plugins, models)
    progress = progress or NoProgress()
    findings = []
    for plugin in plugins:
        sheet = CheckList(plugin, Package(plugin.module))
        parts = list(_parts(sheet, data_root, named[plugin.name]))
        progress.begin(f"checking {plugin.name}", len(parts))
        for part in parts:
            part()
            progress.advance(1)
        findings += sheet.findings
    progress.finish()
    return findings


def _parts(sheet: CheckList, data_root: Path | None, named: Sequence[ModelSpec]) -> Iterator[Callable[[], None]]:
    """Yield the checks of the plugin itself, of each of its specs, and of the named models behind its prefixes."""
    yield lambda: _check_plugin(sheet)
    if sheet.plugin.specs and not sheet.plugin.built_in:
        yield lambda: check_docstrings(sheet)
    offered = [(hook, spec) for hook, specs in sheet.plugin.specs.items() for spec in specs]
    made = [("register_models", spec) for spec in named if ("register_models", spec) not in offered]
    for hook, spec in offered + made:
        known = smaller(spec, sheet.plugin) if isinstance(spec, ModelSpec) and spec not in named else None
        yield _part(sheet, hook, spec, data_root) if known is None else _stands_in(sheet, spec, known)


def _check_plugin(sheet: CheckList) -> None:
    entry = sheet.package.file_of(sheet.plugin.module)
    sheet.home = place(entry, None) if entry else ""
    check_found(sheet)
    check_start(sheet)


def _part(sheet: CheckList, hook: str, spec: Any, data_root: Path | None) -> Callable[[], None]:
    def run() -> None:
        _begin(sheet, hook, spec)
        if spec in sheet.plugin.specs.get(hook, ()):  # the licence of a model behind a prefix may be unknown
            check_facts(sheet, spec)
        check_references(sheet, spec)
        if not sheet.not_ok("names code"):
            _check_of(hook, sheet, spec, data_root)

    return run


def _begin(sheet: CheckList, hook: str, spec: Any) -> None:
    sheet.about = f"{NAMES[hook]} {spec.name}"
    own = sheet.package.place_of_spec(type(spec).__name__, spec.name)
    sheet.home = own or sheet.package.place_of_function(hook)


def _check_of(hook: str, sheet: CheckList, spec: Any, data_root: Path | None) -> None:
    """Run the checks of a kind of spec; modules that need torch or Pillow are imported here."""
    match hook:
        case "register_models":
            from teachmatters.plugin.checks.model import check_model

            check_model(sheet, spec)
            gc.collect()  # free a network that a cycle holds, for example of tracebacks, before the next one is built
        case "register_datasets":
            from teachmatters.plugin.checks.dataset import check_dataset

            check_dataset(sheet, spec, data_root)
        case "register_analyses":
            from teachmatters.plugin.checks.analysis import check_analysis

            check_analysis(sheet, spec)
        case "register_reports":
            from teachmatters.plugin.checks.report import check_report

            check_report(sheet, spec)
        case "register_commands":
            from teachmatters.plugin.checks.command import check_command

            check_command(sheet, spec)


def _stands_in(sheet: CheckList, spec: ModelSpec, smaller: ModelSpec) -> Callable[[], None]:
    """Return a check of only the spec of a large model; a smaller model with the same code is checked in full."""

    def run() -> None:
        _begin(sheet, "register_models", spec)
        check_facts(sheet, spec)
        check_references(sheet, spec)
        told = (
            f"it has about {weights(spec)} million weights: {smaller.name!r}, of the same family and code, is checked "
            f"instead; 'tm plugin check {sheet.plugin.name} --model {spec.name}' checks this one too"
        )
        sheet.add("weights", "not checked", told)

    return run


def faults(name: str, data_root: Path | None = None) -> list[str]:
    """Return the problems of an installed plugin, one line each, for the tests of a plugin.

    >>> faults("cli")
    []
    """
    chosen = [plugin for plugin in load().plugins if name in (plugin.name, plugin.distribution)]
    if not chosen:
        return [f"no plugin is called {name!r}: check that it is installed (pip install -e), and check TM_LOAD_PLUGINS"]
    found = wrong(check(chosen, data_root=data_root))
    return [f"{each.about}, {each.check}: {each.message} [{each.where}]" for each in found]
