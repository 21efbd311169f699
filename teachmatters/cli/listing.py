"""``tm models``, ``tm datasets``, ``tm metrics``, ``tm plugins``: what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.errors import UnknownNameError
from teachmatters.errors import listing as enumeration

if TYPE_CHECKING:
    from teachmatters.api import AnalysisSpec, DatasetSpec, MetricSpec, ModelSpec, Parameter
    from teachmatters.registry import Plugin

NameArgument = Annotated[str | None, typer.Argument(help="Show this one; leave it out for a list.", show_default=False)]

MODELS_HELP = """List the models, or show one.

Examples:

  tm models

  tm models dino-b16

  tm models timm/vit_base_patch14_dinov2.lvd142m --format json
"""
DATASETS_HELP = """List the data sets, or show one: where to get it, the layout expected, and what a folder holds of it.

Examples:

  tm datasets

  tm datasets imagenet50

  tm datasets folder --data-root pictures
"""
METRICS_HELP = """List the metrics, or show one, or an analysis with all it measures.

Examples:

  tm metrics

  tm metrics attn-distance

  tm metrics knn --format json
"""
PLUGINS_HELP = """List the plugins, what they offer and what is wrong with them.

Examples:

  tm plugins

  tm plugins --format json
"""


def models(name: NameArgument = None, style: given.ListFormatOption = "table") -> None:
    """List the models, or show one."""
    from teachmatters.registry import load

    registry = load()
    if name is None:
        rows = [_model(spec) for spec in registry.models.values()]
        _list(rows, style, ("name", "supervision", "arch", "image_size", "depth", "heads", "licence", "summary"))
    else:
        _show(_model(registry.model(name)), style)


def _model(spec: ModelSpec) -> dict[str, object]:
    return {
        "name": f"{spec.name}<id>" if spec.name.endswith("/") else spec.name,
        "aliases": list(spec.aliases),
        "family": spec.family,
        "supervision": spec.supervision or None,
        "arch": spec.arch or None,
        "patch_size": spec.patch_size or None,
        "image_size": spec.image_size or None,
        "depth": spec.depth or None,
        "heads": spec.heads or None,
        "licence": spec.licence or None,
        "source": spec.source or None,
        "summary": spec.summary,
        "citation": spec.citation or None,
    }


def datasets(
    name: NameArgument = None, data_root: given.DataRootOption = None, style: given.ListFormatOption = "table"
) -> None:
    """List the data sets, or show one."""
    from teachmatters.registry import load

    registry = load()
    if name is None:
        rows = [_dataset(spec) for spec in registry.datasets.values()]
        _list(rows, style, ("name", "bundled", "kinds", "summary"))
        return
    spec = registry.dataset(name)
    shown = _dataset(spec)
    if spec.bundled or data_root is not None:
        shown["found"] = _found(spec, data_root)
    _show(shown, style)


def _dataset(spec: DatasetSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "kinds": sorted(spec.kinds),
        "bundled": spec.bundled,
        "folder": spec.folder or None,
        "layout": spec.layout or None,
        "parameters": _parameters(spec.parameters),
        "licence": spec.licence or None,
        "source": spec.source or None,
        "citation": spec.citation or None,
    }


def _found(spec: DatasetSpec, data_root: Path | None) -> str:
    """What a folder holds, in words."""
    from teachmatters.runner.data import items_of, open_dataset
    from teachmatters.runner.parameters import effective

    opened = open_dataset(spec, data_root, effective(spec, "", {}), seed=0)
    counts = {kind: len(items_of(opened, kind, ("all",), None)["all"]) for kind in sorted(opened.dataset.kinds)}
    classes = f"; {len(opened.dataset.classes)} classes" if opened.dataset.classes else ""
    return "; ".join(f"{count:,} for {kind}" for kind, count in counts.items()) + classes


def metrics(name: NameArgument = None, style: given.ListFormatOption = "table") -> None:
    """List the metrics, or show one."""
    from teachmatters.registry import load

    registry = load()
    rows = [_metric(spec, metric) for spec in registry.analyses.values() for metric in spec.metrics]
    columns = ("name", "analysis", "unit", "better", "kind", "level", "summary")
    if name is None:
        _list(rows, style, columns)
        return
    chosen = [row for row in rows if name in (row["name"], f"{row['analysis']}:{row['name']}")]
    if len(chosen) == 1:
        _show(chosen[0], style)
        return
    members = [row for row in rows if name == row["analysis"]]
    if not members:
        known = [str(row[key]) for row in rows for key in ("name", "analysis")]
        raise UnknownNameError("metric", name, known, f"'tm metrics' lists all {len(rows)}.")
    _list(members, style, columns)


def _metric(spec: AnalysisSpec, metric: MetricSpec) -> dict[str, object]:
    better = {True: "higher", False: "lower", None: None}[metric.higher_is_better]
    low, high = ("open" if bound is None else f"{bound:g}" for bound in metric.bounds)
    return {
        "name": metric.name,
        "analysis": spec.name,
        "title": metric.title,
        "summary": metric.summary,
        "unit": metric.unit or None,
        "better": better,
        "range": f"{low} to {high}",
        "level": metric.level,
        "kind": spec.kind,
        "default_data": spec.default_data,
        "paper_data": list(spec.paper_data),
        "parameters": _parameters(spec.parameters),
        "source": metric.source or None,
    }


def _parameters(parameters: Sequence[Parameter]) -> list[str]:
    from teachmatters.runner.parameters import text_of

    return [f"{each.name}={text_of(each.default) or 'auto'}: {each.summary}" for each in parameters]


def plugins(name: NameArgument = None, style: given.ListFormatOption = "table") -> None:
    """List the plugins, or show one."""
    from teachmatters.registry import load

    found = load().plugins
    rows = [_plugin(plugin, most=10**6 if style == "json" else 6) for plugin in found]
    if name is None:
        _list(rows, style, ("name", "distribution", "version", "offers", "problems"))
        return
    chosen = [row for row in rows if name in (row["name"], row["distribution"])]
    if not chosen:
        known = [str(row[key]) for row in rows for key in ("name", "distribution")]
        raise UnknownNameError("plugin", name, known, f"'tm plugins' lists all {len(rows)}.")
    for row in chosen:
        _show(row, style)


def _plugin(plugin: Plugin, most: int) -> dict[str, object]:
    offers = [
        f"{len(specs)} {hook.removeprefix('register_')}: {enumeration((spec.name for spec in specs), most)}"
        for hook, specs in plugin.specs.items()
        if specs
    ]
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "built_in": plugin.built_in,
        "offers": offers,
        "problems": plugin.problems,
    }


def _list(rows: Sequence[Mapping[str, object]], style: given.ListFormat, columns: Sequence[str]) -> None:
    """All fields as JSON, the chosen columns as a table."""
    if style == "json":
        keys = list(rows[0]) if rows else list(columns)
        output.emit_table(keys, [[row[key] for key in keys] for row in rows], "json")
    else:
        output.emit_table(columns, [[_text(row[column]) for column in columns] for row in rows])


def _show(fields: Mapping[str, object], style: given.ListFormat) -> None:
    if style == "json":
        output.emit_table(list(fields), [list(fields.values())], "json")
        return
    width = max(map(len, fields)) + 2
    lines = []
    for name, value in fields.items():
        parts: list[Any] = value if isinstance(value, list) else [value]
        for i, part in enumerate(parts or [None]):
            text = _text(part)
            if text:
                lines.append(f"{name if i == 0 else '':{width}}{text}")
    output.emit("\n".join(lines))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) if any(" " in str(v) for v in value) else ", ".join(map(str, value))
    return "" if value is None else str(value)
