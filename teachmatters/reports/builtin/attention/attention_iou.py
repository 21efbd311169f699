"""The paper's figure of attention and object masks: best head and mean over heads, one column per query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANCE = "-chance"
CHANCE_LOOK = style.Look("#7F7F7F", ":", "")


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per data set and metric, all on the same axes: one line per model, and thin dots for its chance.

    Chance is the overlap of as many random patches. It has no panel of its own unless nothing else was requested.
    """
    from teachmatters.reports.figures import plots
    from teachmatters.reports.figures.layer_lines import band_key, drawn_values, fit

    every = frames.records(rows)
    metrics = [name for name in options.metrics if any(row["metric"] == name for row in every)]
    metrics = [name for name in metrics if not name.endswith(CHANCE)] or metrics
    panels = [
        (place, metric)
        for place in dict.fromkeys((row["dataset"], row["split"]) for row in every)
        for metric in metrics
    ]
    columns = _columns(metrics)
    figure, axes = plots.panels(len(panels), columns=columns)
    looks = style.looks(every)
    drawn = [*drawn_values(every), *(row["chance"] for row in every if row["chance"] is not None)]
    for ax, (place, metric) in zip(axes, panels, strict=True):
        panel = [row for row in every if (row["dataset"], row["split"], row["metric"]) == (*place, metric)]
        for model, look in looks.items():
            _line(ax, [row for row in panel if row["model"] == model], look, plots.same_depth(every))
        mean = ", mean" if metric.count("-") == 2 else ""  # a metric of heads, whose own row is their mean
        ax.set_title(plots.wrapped((options.of(metric).title or metric) + mean, plots.TITLE))
        fit(ax, drawn, options.of(metric))
    several = len({place for place, _ in panels}) > 1
    for ax, ((dataset, _), _) in zip(axes[::columns], panels[::columns], strict=True):
        ax.set_ylabel(plots.label(dataset) if several else "")
    plots.layer_axis(axes, every, plots.bottom(axes, columns=columns))
    known = any(row["chance"] is not None for row in every)
    plots.legend(figure, looks | ({"one head by chance": CHANCE_LOOK} if known else {}), band_key(every))
    return figure


def _columns(metrics: list[str]) -> int:
    """Return the number of columns: one per query, where each query has equally many metrics.

    >>> _columns(["attn-iou-cls-best", "attn-iou-center-best", "attn-iou-cls", "attn-iou-center"])
    2
    """
    queries = len({name.split("-")[2] for name in metrics})
    return queries if len(metrics) % queries == 0 else len(metrics)


def _line(ax: Axes, rows: list[dict[str, Any]], look: style.Look, by_number: bool) -> None:
    from teachmatters.reports.figures import layer_lines
    from teachmatters.reports.figures.plots import position

    layer_lines.draw_line(ax, rows, look, by_number)
    chance = [(position(row, by_number), row["chance"]) for row in rows if row["chance"] is not None]
    if chance:
        ax.plot(*zip(*chance, strict=True), color=look.colour, linestyle=CHANCE_LOOK.line, linewidth=1.0)
