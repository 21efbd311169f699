"""The paper's figure of attention and object masks: one row of panels per data set, one column per query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one row of panels per data set, one panel per metric and one line per model, all on the same axes."""
    from teachmatters.reports.figures import plots

    every = frames.records(rows)
    metrics = [name for name in options.metrics if any(row["metric"] == name for row in every)]
    places = list(dict.fromkeys((row["dataset"], row["split"]) for row in every))
    columns = len(metrics)
    figure, axes = plots.panels(len(places) * columns, columns=columns)
    looks, top = style.looks(every), 1.08 * max(row["value"] for row in every) or 1.0
    for number, ax in enumerate(axes):
        place, metric = places[number // columns], metrics[number % columns]
        panel = [row for row in every if (row["dataset"], row["split"], row["metric"]) == (*place, metric)]
        for model, look in looks.items():
            _line(ax, [row for row in panel if row["model"] == model], look, plots.same_depth(every))
        facts = options.of(metric)
        ax.set_title(plots.label(facts.title or facts.name, longest=44))
        ax.set_ylim(0, top)
    for ax, (dataset, _) in zip(axes[::columns], places, strict=True):
        ax.set_ylabel(plots.label(dataset) if len(places) > 1 else "")
    plots.layer_axis(axes, every, plots.bottom(axes, columns=columns))
    plots.legend(figure, looks)
    return figure


def _line(ax: Any, rows: list[dict[str, Any]], look: style.Look, by_number: bool) -> None:
    from teachmatters.reports.figures.plots import position

    rows = sorted(rows, key=lambda row: int(row["layer"]))
    x = [position(row, by_number) for row in rows]
    ax.plot(x, [row["value"] for row in rows], color=look.colour, linestyle=look.line, marker=look.marker)
