"""The data of a chart of the page: its kind, and the rows of the report as JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from teachmatters.reports.run import Report
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    from teachmatters.reports.figures.map_strips import HeadMap

Kind = Literal["lines", "pairs", "scatter", "dots", "heads", "maps", "image"]
# The columns whose values get separate panels in a chart of lines.
PANEL = ("metric", "protocol", "dataset", "split")


def kind_of(report: Report) -> Kind | None:
    """Return the chart that suits the columns of a report; ``image`` for its own figure, None if it has none."""
    columns = set(report.data.columns)
    drawn: Kind | None = "image" if report.spec.draw else None
    if {"model", "layer", "head", "type"} <= columns:
        return "heads"
    if {"model", "layer", "data", "types", "grid"} <= columns:
        return "maps"
    if not {"model", "metric", "dataset", "layer", "value"} <= columns:
        return drawn
    if columns & {"other_value", "tied_layers"}:
        return "scatter" if "other_value" in columns else "dots"
    return _of_numbers(report) or drawn


def _of_numbers(report: Report) -> Kind | None:
    """Return the chart of one number in each row: of pairs of layers, of layers, or of heads."""
    if all(_each(report, "other_model")) and all(_each(report, "other_layer")):
        return "pairs" if len(set(_each(report, "layer"))) > 1 else None
    heads, categories = _each(report, "head"), _each(report, "category")
    series = zip(*(_each(report, part) for part in ("model", "metric", "protocol", "dataset", "split")), strict=True)
    plain = [
        own for head, category, own in zip(heads, categories, series, strict=True) if head is None and category is None
    ]
    if len(plain) > len(set(plain)):
        return "lines"
    return "heads" if heads and None not in heads else None


def _each(report: Report, name: str) -> Sequence[Any]:
    columns, rows = report.data.columns, report.data.rows
    place = columns.index(name) if name in columns else None
    return [None] * len(rows) if place is None else [row[place] for row in rows]


def embedded(value: object) -> str:
    r"""Return JSON that is safe inside a script element.

    >>> embedded({"a": "</script>"})
    '{"a":"\\u003c/script>"}'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def content(report: Report, kind: Kind) -> dict[str, Any]:
    """Return the rows that the browser draws, constant columns once; of maps the arrays, in their place."""
    if kind == "maps":
        return _maps(report)
    rows = _drawn(report, kind)
    columns = dict(zip(report.data.columns, zip(*rows, strict=True), strict=True))
    columns.pop("data", None)
    same = {name: _plain(values[0]) for name, values in columns.items() if values.count(values[0]) == len(values)}
    kept = {
        name: list(map(_plain, values)) if float in set(map(type, values)) else values
        for name, values in columns.items()
        if name not in same
    }
    named = [name for column in ("metric", "other_metric") for name in dict.fromkeys(columns.get(column, ()))]
    found: dict[str, Any] = {
        "columns": list(kept),
        "rows": list(zip(*kept.values(), strict=True)) if kept else [() for _ in rows],
        "constant": same,
        "titles": {name: captions.named(report.options.of(name)) for name in named},
        **_panels(report),
    }
    if report.spec.single_data_set:
        found["dataset"] = str(report.drawn_rows["dataset"].iloc[0])
    if kind == "heads":
        return found | _kinds(report)
    return found | {"levels": _levels(report)}


def _drawn(report: Report, kind: Kind) -> Sequence[tuple[Any, ...]]:
    """Return the rows that a chart shows: of heads one data set."""
    if kind != "heads" or not report.spec.single_data_set:
        return report.data.rows
    shown, datasets = report.drawn_rows["dataset"].iloc[0], _each(report, "dataset")
    return [row for row, dataset in zip(report.data.rows, datasets, strict=True) if dataset == shown]


def _maps(report: Report) -> dict[str, Any]:
    """Return the maps of each model, in steps of 1/255 of the square root of the largest attention of all."""
    from teachmatters.reports.builtin.attention.attention_maps import strips

    found = strips(report.drawn_rows, report.options, all_layers=True)
    top = max(float(each.values.max()) for maps in found.values() for each in maps) or 1.0
    return {"top": top, "strips": [[title, [_map(each, top) for each in maps]] for title, maps in found.items()]}


def _map(each: HeadMap, top: float) -> dict[str, Any]:
    from teachmatters.reports.figures.map_strips import SHORT

    steps = np.rint(255 * np.sqrt(np.clip(each.values, 0, None) / top)).astype(np.uint8)
    return {
        "layer": each.layer,
        "head": each.head,
        "type": SHORT.get(each.kind, each.kind),
        "offset": each.offset,
        "centred": each.centred,
        "columns": each.values.shape[1],
        "most": float(each.values.max()),
        "steps": base64.b64encode(steps.tobytes()).decode(),
    }


def _panels(report: Report) -> dict[str, Any]:
    """Return the order of the panels, and the columns besides the metric that distinguish them."""
    held = [name for name in PANEL if name in report.data.columns]
    each = [
        dict.fromkeys(PANEL) | dict(zip(held, values, strict=True)) for values in report.data.distinct(held)
    ]  # fmt: skip
    order = [[row[name] for name in PANEL] for row in frames.in_order(each, report.options)]
    return {"order": order, "differ": [name for name in frames.differing(each) if name != "metric"]}


def _levels(report: Report) -> list[dict[str, Any]]:
    """Return the reference lines: the distance of uniform attention, if all models have the same grid."""
    from teachmatters.reports.builtin.attention.attention_distance import UNIFORM, uniform_distance

    grids = set(_each(report, "grid"))
    level = uniform_distance(next(iter(grids))) if len(grids) == 1 else None
    return [] if level is None else [{"y": level, "text": UNIFORM}]


def _kinds(report: Report) -> dict[str, Any]:
    """Return the colours of the types of heads; nothing for numbers."""
    from teachmatters.reports.builtin.attention.heads_figure import COMMON, colour

    if "type" not in report.data.columns:
        return {}
    kinds = dict.fromkeys(_each(report, "type"))
    return {"kinds": {kind: "var(--line)" if kind in COMMON else colour(kind) for kind in kinds}}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
