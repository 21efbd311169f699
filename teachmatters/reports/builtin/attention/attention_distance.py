"""The paper's figure of attention distance: each head as a point next to the mean of its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import titles
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
BESIDE = 0.25  # offset of the heads from the mean, in layers, so that they do not hide the mean
UNIFORM = "uniform attention"


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return layers by models: the mean over heads, and the selected heads."""
    means = rows[rows["head"].isna()]
    return frames.stacked(rows if options.heads or means.empty else means, options, ("layer", "head"))


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per model and data set, all on the same axes, with the distance of uniform attention."""
    from teachmatters.reports.figures import layer_lines, plots

    every = frames.records(rows)
    groups = frames.by_label(every)
    looks, headings, facts = style.looks(every), titles.panel_titles(every), options.of(every[0]["metric"])
    evens = {name: uniform_distance(panel[0].get("grid")) for name, panel in groups.items()}
    columns = plots.across(every, COLUMNS)
    figure, axes = plots.panels(len(groups), columns=columns, size=(2.3, 2.1))
    drawn = [*(row["value"] for row in every), *filter(None, evens.values())]
    for ax, (name, panel) in zip(axes, groups.items(), strict=True):
        _panel(ax, panel, looks[panel[0]["model"]], plots.same_depth(every))
        if (even := evens[name]) is not None:
            layer_lines.reference(ax, even)
        ax.set_title(plots.heading(headings[name]))
        layer_lines.fit(ax, drawn, facts)
        ax.tick_params(labelleft=len(groups) == 1 or ax in axes[::columns])
    figure.supylabel(plots.label(captions.named(facts), longest=44), fontsize="medium")
    plots.layer_axis(axes, every, plots.bottom(axes, columns=columns))
    plots.legend(figure, {}, _key(any(evens.values())))
    return figure


def uniform_distance(shape: str | None) -> float | None:
    """Return the distance of attention that is spread evenly over a grid of patches.

    Args:
        shape: the shape of a map of all heads, ``heads,rows,columns``; None if it is unknown.

    >>> round(uniform_distance("12,14,14"), 3), uniform_distance(None)
    (0.56, None)
    """
    import numpy as np

    parts = (shape or "").split(",")[1:]
    if len(parts) != 2 or not all(map(str.isdecimal, parts)) or max(map(int, parts)) < 2:
        return None
    rows, columns = map(int, parts)
    # Each axis has few differences: count the pairs of patches with each.
    down, right = (np.abs(np.subtract.outer(np.arange(n), np.arange(n))).ravel() for n in (rows, columns))
    counts = np.outer(np.bincount(down), np.bincount(right)) / (rows * columns) ** 2
    return float((counts * np.hypot.outer(np.arange(rows), np.arange(columns))).sum() / (max(rows, columns) - 1))


def _key(has_uniform: bool) -> dict[str, Artist]:
    from matplotlib.lines import Line2D

    grey = "#555555"
    key: dict[str, Artist] = {
        "mean over heads": Line2D([], [], color=grey, marker="o", markerfacecolor="white"),
        "one head": Line2D([], [], color=grey, marker="o", linestyle="none", markersize=3.5, alpha=0.5),
    }
    return key | ({UNIFORM: Line2D([], [], color=grey, linestyle=(0, (4, 2)), linewidth=0.9)} if has_uniform else {})


def _panel(ax: Axes, rows: list[dict[str, Any]], look: style.Look, by_number: bool) -> None:
    from teachmatters.reports.figures.plots import position

    heads = [row for row in rows if row["head"] is not None]
    means = sorted((row for row in rows if row["head"] is None), key=lambda row: float(row["layer"]))
    ax.scatter(
        [position(row, by_number) + BESIDE * (1 if by_number else 1 / row["depth"]) for row in heads],
        [row["value"] for row in heads],
        s=14, color=look.colour, alpha=0.6, linewidths=0, zorder=3,
    )  # fmt: skip
    x = [position(row, by_number) for row in means]
    ax.plot(x, [row["value"] for row in means], color=look.colour, marker="o", markerfacecolor="white")
