"""Clusters and classes: one row of panels per score, one column per kind of vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw purity, NMI and ARI in rows, each row on one axis, with one line per model."""
    from teachmatters.reports.figures import layer_lines, plots

    every = frames.records(rows)
    scores, places = _rows_and_columns(every, options)
    figure, axes = plots.panels(len(scores) * len(places), columns=len(places))
    looks = style.looks(every)
    several = len({row["dataset"] for row in every}) > 1
    for number, ax in enumerate(axes):
        side_by_side = [row for row in every if _score(row) == scores[number // len(places)]]
        panel = [row for row in side_by_side if _place(row) == places[number % len(places)]]
        layer_lines.fit(ax, [row["value"] for row in side_by_side], options.of(side_by_side[0]["metric"]))
        ax.set_visible(bool(panel))
        for line in layer_lines.split(panel, ("model",)):
            layer_lines.draw_line(ax, line, looks[line[0]["model"]], plots.same_depth(every))
        for row in panel[:1]:
            facts = options.of(row["metric"])
            title = " / ".join([facts.title or facts.name, *([row["dataset"]] if several else [])])
            ax.set_title(plots.wrapped(title, plots.TITLE))
    plots.layer_axis(axes, every, plots.bottom(axes, columns=len(places)))
    plots.legend(figure, looks)
    return figure


def _score(row: dict[str, Any]) -> str:
    return str(row["metric"]).partition("-")[0]


def _place(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return the column of a row."""
    return row["dataset"], row["split"], row["metric"].partition("-")[2]


def _rows_and_columns(every: Rows, options: Options) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Return scores and columns in the order of the selected metrics; data sets by name."""
    order = {name: place for place, name in enumerate(options.metrics)}
    ranked = sorted(every, key=lambda row: order.get(row["metric"], len(order)))
    by_data = sorted(ranked, key=lambda row: (row["dataset"], row["split"]))
    return list(dict.fromkeys(map(_score, ranked))), list(dict.fromkeys(map(_place, by_data)))
