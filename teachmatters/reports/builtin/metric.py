"""The report of any metric: layers by models, and a line over the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = list[dict[str, Any]]
BANDS = 3
"""Deviations are shaded for at most that many lines; more would cover each other."""


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Layers (heads, categories) by models."""
    return frames.stacked(rows, options, ("layer", "other_layer", "head", "category"))


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """A panel for each metric and data set with a line for each model; pairs of layers are shown as squares."""
    every = frames.records(rows)
    if any(row.get("other_layer") is not None for row in every):
        from teachmatters.reports.figures import squares

        return squares.draw(every, options)
    if options.by:
        from teachmatters.reports.builtin import by_supervision

        return by_supervision.draw(every, options)
    return _lines(every, options)


def _lines(every: list[dict[str, Any]], options: Options) -> Figure:
    from teachmatters.reports.figures import plots

    groups = split(frames.in_order(every, options), ("metric", "protocol", "dataset", "split"))
    differ = [part for part in ("protocol", "dataset", "split") if part in frames.differing(every)]
    looks = style.looks(every)
    figure, axes = plots.panels(len(groups), columns=3)
    for ax, panel in zip(axes, groups, strict=True):
        draw_panel(ax, panel, looks, plots.same_depth(every))
        facts = options.of(panel[0]["metric"])
        title = " / ".join([facts.title or facts.name, *frames.parts(panel[0], differ)])
        ax.set_title(plots.label(title, longest=44))
        ax.set_ylabel(plots.label(panel[0]["unit"] or ""))
        if not any(row["value"] for row in panel):
            # A line at 0 alone would get an axis of some hundredths about it.
            top = facts.upper or 1.0
            ax.set_ylim(-0.05 * top, top)
    plots.layer_axis(axes, every, plots.bottom(axes, columns=3))
    plots.legend(figure, looks)
    return figure


def draw_panel(ax: Axes, panel: Line, looks: Mapping[str, style.Look], by_number: bool) -> None:
    """A line for each model, and its heads or categories as points."""
    lines = split([row for row in panel if row["head"] is None and row["category"] is None], ("model", "other_model"))
    for line in lines:
        _line(ax, line, looks[line[0]["model"]], by_number, band=len(lines) <= BANDS)
    _points(ax, [row for row in panel if row["head"] is not None or row["category"] is not None], looks, by_number)


def _line(ax: Axes, line: Line, look: style.Look, by_number: bool, band: bool) -> None:
    from teachmatters.reports.figures.plots import position

    line = sorted(line, key=lambda row: row["layer"])
    x = [position(row, by_number) for row in line]
    y = [row["value"] for row in line]
    ax.plot(x, y, color=look.colour, linestyle=look.line, marker=look.marker)
    # The spread of hits and misses, 0 and 100 percent, is known from their share and would only hide the lines.
    if band and all(row["std"] is not None and row["unit"] != "percent" for row in line):
        low = [row["value"] - row["std"] for row in line]
        high = [row["value"] + row["std"] for row in line]
        ax.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _points(ax: Axes, rows: Line, looks: Mapping[str, style.Look], by_number: bool) -> None:
    from teachmatters.reports.figures.plots import position

    for points in split(rows, ("model",)):
        look = looks[points[0]["model"]]
        x = [position(row, by_number) for row in points]
        ax.scatter(x, [row["value"] for row in points], s=9, color=look.colour, marker=look.marker, alpha=0.45, lw=0)


def split(rows: Line, keys: Sequence[str]) -> list[Line]:
    """The rows parted by some columns, in order of appearance."""
    parts: dict[tuple[Any, ...], Line] = {}
    for row in rows:
        parts.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(parts.values())
