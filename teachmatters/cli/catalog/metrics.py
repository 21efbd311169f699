"""``tm metrics``: list the metrics, or show one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.cli import options
from teachmatters.cli.catalog import listing
from teachmatters.errors import UnknownNameError

if TYPE_CHECKING:
    from teachmatters.api import AnalysisSpec, MetricSpec

HELP = """List the metrics, or show one metric or all metrics of an analysis.

Examples:

  tm metrics

  tm metrics attn-distance

  tm metrics knn --format json
"""


def metrics(name: options.NameArgument = None, style: options.ListFormatOption = "table") -> None:
    """List the metrics, or show one."""
    from teachmatters.registry import load

    registry = load()
    rows = [_metric(spec, metric) for spec in registry.analyses.values() for metric in spec.metrics]
    columns = ("name", "analysis", "unit", "better", "kind", "level", "summary")
    if name is None:
        listing.emit_list(rows, style, columns)
        return
    matches = [row for row in rows if name in (row["name"], f"{row['analysis']}:{row['name']}")]
    if len(matches) == 1:
        listing.emit_one(matches[0], style)
        return
    members = [row for row in rows if name == row["analysis"]]
    if not members:
        known = [str(row[key]) for row in rows for key in ("name", "analysis")]
        raise UnknownNameError("metric", name, known, f"'tm metrics' lists all {len(rows)}.")
    listing.emit_list(members, style, columns)


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
        "parameters": listing.parameters(spec.parameters),
        "source": metric.source or None,
    }


app = options.single(metrics, HELP)
