"""``tm metrics``: list the metrics, or show one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from teachmatters.cli import options, output
from teachmatters.cli.catalog import listing
from teachmatters.cli.completion import complete_metrics

if TYPE_CHECKING:
    from teachmatters.api import AnalysisSpec, MetricSpec

HELP = """List the metrics, or show one metric, or all metrics of an analysis and its parameters.

Examples:

  tm metrics

  tm metrics attention

  tm metrics 'attn-iou-*'

  tm metrics attn-distance

  tm metrics knn --format json
"""

ANALYSIS_COLUMNS = ("analysis", "suite", "metrics", "data", "names")
COLUMNS = ("name", "analysis", "unit", "better", "kind", "level", "summary")


def metrics(
    name: Annotated[
        str | None,
        listing.name_argument(
            complete_metrics, "An analysis, a suite, a pattern or a metric. Default: list the analyses."
        ),
    ] = None,
    every: options.AllOption = False,
    wide: options.WideOption = False,
    style: options.ListFormatOption = "table",
) -> None:
    """List the metrics, or show one."""
    from teachmatters.registry import load

    analyses = list(load().analyses.values())
    rows = [_metric(spec, metric) for spec in analyses for metric in spec.metrics]
    if name is None and style == "table" and not every:
        listing.emit_list([_analysis(spec) for spec in analyses], style, ANALYSIS_COLUMNS, wide=wide)
        output.say(f"{len(rows)} metrics; 'tm metrics ANALYSIS' lists those of one, 'tm metrics --all' all of them")
        return
    matches = [row for row in rows if name in (row["name"], f"{row['analysis']}:{row['name']}")]
    if len(matches) == 1:
        listing.emit_one(matches[0], style)
        return
    chosen = rows if name is None else _members(name, analyses, rows)
    columns = COLUMNS if len({row["analysis"] for row in chosen}) > 1 else COLUMNS[:1] + COLUMNS[2:]
    listing.emit_list(chosen, style, columns, wide=wide)
    declared = next((spec.parameters for spec in analyses if spec.name == name), ())
    if declared and style == "table":
        output.emit("\n" + output.paragraphs(["set with --param NAME=VALUE:", *listing.parameters(declared)]))


def _members(
    name: str, analyses: Sequence[AnalysisSpec], rows: Sequence[dict[str, object]]
) -> Sequence[dict[str, object]]:
    """Return the metrics of an analysis, of a suite, or those that match a pattern.

    Raises:
        TeachMattersError: there are none.
    """
    named = {spec.name for spec in analyses if name == spec.name or name in spec.suites}
    matched = listing.matching(name, [str(row["name"]) for row in rows])
    if members := [row for row in rows if row["analysis"] in named or row["name"] in matched]:
        return members
    from teachmatters.registry import load

    known = [str(row[key]) for row in rows for key in ("name", "analysis")]
    raise load().unknown("metric", name, known, f"'tm metrics --all' lists all {len(rows)}.")


def _analysis(spec: AnalysisSpec) -> dict[str, object]:
    return {
        "analysis": spec.name,
        "suite": list(spec.suites[:1]),
        "metrics": len(spec.metrics),
        "data": spec.kind,
        "names": [metric.name for metric in spec.metrics],
    }


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
