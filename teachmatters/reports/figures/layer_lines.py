"""Panels with lines over the layers, which most reports draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = list[dict[str, Any]]
BANDS = 3  # deviations are shaded for at most that many lines; more would cover each other


def draw_panel(ax: Axes, panel: Line, looks: Mapping[str, style.Look], by_number: bool) -> None:
    """Draw one line per model, and its heads or categories as points."""
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
    # The deviation of hits and misses (0 and 100 percent) follows from their share and would only hide the lines.
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
    """Group the rows by some columns, in order of appearance."""
    parts: dict[tuple[Any, ...], Line] = {}
    for row in rows:
        parts.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(parts.values())
