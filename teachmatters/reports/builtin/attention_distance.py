"""The paper's figure of attention distance: each head as a point next to the mean of its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
BESIDE = 0.25  # offset of the heads from the mean, in layers; on the mean they could not be seen


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return layers by models: the mean over heads, and the selected heads."""
    means = rows[rows["head"].isna()]
    return frames.stacked(rows if options.heads or means.empty else means, options, ("layer", "head"))


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per model and data set, all on the same axes."""
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D

    from teachmatters.reports.figures import plots

    every = frames.records(rows)
    groups: dict[str, list[dict[str, Any]]] = {}
    ordered = sorted(zip(every, frames.column_labels(every), strict=True), key=lambda p: supervisions.model_order(p[0]))
    for row, name in ordered:
        groups.setdefault(name, []).append(row)
    looks = style.looks(every)
    columns = plots.across(every, COLUMNS)
    figure, axes = plots.panels(len(groups), columns=columns)
    for ax, (name, panel) in zip(axes, groups.items(), strict=True):
        _panel(ax, panel, looks[panel[0]["model"]], plots.same_depth(every))
        ax.set_title(plots.label(name))
        ax.set_ylim(_limits([row["value"] for row in every]))
    facts = options.of(every[0]["metric"])
    for ax in axes[::columns]:
        ax.set_ylabel(plots.label(captions.named(facts), longest=44))
    plots.layer_axis(axes, every, plots.bottom(axes, columns=columns))
    grey: list[Artist] = [
        Line2D([], [], color="#555555", marker="o", markerfacecolor="white"),
        Line2D([], [], color="#555555", marker="o", linestyle="none", markersize=3.5, alpha=0.5),
    ]
    figure.legend(grey, ["mean over heads", "one head"], loc="outside lower center", ncols=2)
    return figure


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


def _limits(values: list[float]) -> tuple[float, float]:
    """Return the axis limits: 0 to 1 as in the paper, wider if the numbers need it."""
    low, high = min(0.0, *values), max(1.0, *values)
    margin = 0.03 * (high - low)
    return low - margin if low < 0 else low, high + margin if high > 1 else high
