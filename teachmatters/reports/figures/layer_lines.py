"""Panels with lines over the layers, which most reports draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style
from teachmatters.reports.options import MetricInfo

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Line = list[dict[str, Any]]
NORMAL = 1.96  # standard errors in half a 95 % interval
BAND = "95 % interval: mean ± 1.96 standard errors"
FEW = 3  # lines; the intervals of more are lighter, since they cover each other
PALE = 0.6  # the opacity of all intervals of many lines together
ROOM = 0.06  # above and below the numbers, as a share of their range


def draw_panel(ax: Axes, panel: Line, looks: Mapping[str, style.Look], by_number: bool) -> None:
    """Draw one line per model with its interval, its heads or categories as points, and what it is compared with."""
    lines = split([row for row in panel if row["head"] is None and row["category"] is None], ("model", "other_model"))
    shade = 0.15 if len(lines) <= FEW else min(0.08, PALE / len(lines))
    for line in lines:
        draw_line(ax, line, looks[line[0]["model"]], by_number, shade=shade)
    draw_references(ax, [row for line in lines for row in line], looks, by_number)
    _points(ax, [row for row in panel if row["head"] is not None or row["category"] is not None], looks, by_number)


def draw_line(
    ax: Axes, line: Line, look: style.Look, by_number: bool, shade: float = 0.15, *, hollow: bool = False
) -> None:
    """Draw a line over the layers, shaded by the 95 % interval of each mean. Noise is a dotted line without marks.

    Args:
        ax: the panel.
        line: rows of one model.
        look: its style.
        by_number: as for ``plots.position``.
        shade: the opacity of the intervals.
        hollow: True for a thinner line with hollow marks, for the second of two lines of a model.
    """
    from teachmatters.reports.figures.plots import position

    line = sorted(line, key=lambda row: row["layer"])
    x = [position(row, by_number) for row in line]
    y = [row["value"] for row in line]
    if look.is_noise:
        ax.plot(x, y, color=look.colour, linestyle=":", zorder=1.5)
        return
    fill: dict[str, Any] = {"markerfacecolor": "white", "linewidth": 0.8} if hollow else {}
    ax.plot(x, y, color=look.colour, linestyle=look.line, marker=look.marker, **fill)
    ends = [interval(row) for row in line]
    if len(line) > 1 and all(ends):
        low, high = zip(*filter(None, ends), strict=True)
        ax.fill_between(x, low, high, color=look.colour, alpha=shade, linewidth=0)


def interval(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over units, from their deviation and number; None where these are not known.

    >>> interval({"value": 50.0, "std": 10.0, "n": 100})
    (48.04, 51.96)
    """
    if row.get("std") is None or not row.get("n"):
        return None
    half = NORMAL * row["std"] / row["n"] ** 0.5
    return row["value"] - half, row["value"] + half


def band_key(every: Iterable[Mapping[str, Any]]) -> dict[str, Artist]:
    """Return the legend entry of the intervals; none where no row has one."""
    from matplotlib.patches import Patch

    has = any(interval(row) for row in every if row.get("head") is None)
    return {BAND: Patch(color="#555555", alpha=0.2, linewidth=0)} if has else {}


def reference(ax: Axes, value: float) -> None:
    """Draw a line across the panel at a reference value, such as chance."""
    ax.axhline(value, color="#555555", linestyle=(0, (4, 2)), linewidth=0.9, zorder=1.2)


def draw_references(ax: Axes, panel: Line, looks: Mapping[str, style.Look], by_number: bool) -> None:
    """Draw the values to compare with: one line across if they are equal, else one dotted line per model."""
    from teachmatters.reports.figures.plots import position

    known = [row for row in panel if row.get("reference") is not None]
    if len({f"{row['reference']:.6g}" for row in known}) == 1:
        reference(ax, known[0]["reference"])
        return
    for line in split(known, ("model",)):
        x = [position(row, by_number) for row in line]
        look = looks[line[0]["model"]]
        ax.plot(x, [row["reference"] for row in line], color=look.colour, linestyle=":", linewidth=1.0, zorder=1.2)


def reference_key(every: Iterable[Mapping[str, Any]]) -> dict[str, Artist]:
    """Return the legend entries of the values to compare with."""
    from matplotlib.lines import Line2D

    names = dict.fromkeys(row["reference_name"] for row in every if row.get("reference") is not None)
    return {name: Line2D([], [], color="#555555", linestyle=(0, (4, 2)), linewidth=0.9) for name in names}


def drawn_values(panel: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return the numbers of a panel, the ends of their intervals and the values to compare with, for its axis."""
    found = [value for row in panel for value in (row["value"], *(interval(row) or ()), row.get("reference"))]
    return [value for value in found if value is not None]


def fit(ax: Axes, values: Sequence[float], facts: MetricInfo) -> None:
    """Set the limits of the value axis from the data, with some room; a panel of zeros has the metric's own range."""
    low, high = min(values), max(values)
    if low == high == 0:
        top = facts.upper or 1.0
        ax.set_ylim(-0.05 * top, top)
        return
    room = ROOM * (high - low) or 0.05 * abs(high)
    ax.set_ylim(low - room, high + room)


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
