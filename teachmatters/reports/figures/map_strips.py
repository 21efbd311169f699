"""Averaged maps of heads, a strip per model: layers to the right, heads downwards, each with its type below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE = 0.5  # width of a map, in inches
GAP, LABEL = 0.1, 0.42  # space between and below maps, as shares of their width
MARGIN = 0.35  # of a strip, for its title and the numbers of the layers, in inches
LETTER = 0.08  # about the width of a letter of a title, in inches
MOST_PIXELS = 100_000_000
SHORT = {"axial-horizontal": "horizontal", "axial-vertical": "vertical", "offset-local": "offset"}
Slot = tuple[int, int]


@dataclass(frozen=True, slots=True)
class HeadMap:
    """The map of one head as it is drawn.

    Attributes:
        layer, head: from 1.
        values: (h, w).
        kind: its type; empty if it is unknown.
        offset: patches to the right and down from the centre to the centre of attention; None for no arrow.
        centred: True if the query is in the centre.
    """

    layer: int
    head: int
    values: NDArray[np.float64]
    kind: str = ""
    offset: tuple[float, float] | None = None
    centred: bool = False

    @property
    def text(self) -> str:
        """Return [layer, head], and the type below; for an offset head also its distance in patches."""
        kind = SHORT.get(self.kind, self.kind)
        if self.offset is not None:
            kind += f" {math.hypot(*self.offset):.1f}"
        return f"[{self.layer}, {self.head}]\n{kind}".rstrip()


def draw(strips: Mapping[str, Sequence[HeadMap]], columns: int, *, own_scale: bool) -> Figure:
    """Draw the strips of some models, with the square root of attention as colour.

    Args:
        strips: maps by title.
        columns: the number of strips side by side.
        own_scale: True for colours from 0 to the maximum of each map, in place of one scale for all.

    Raises:
        TeachMattersError: the maps have too many pixels for a figure.
    """
    from teachmatters.reports.figures import plots

    layouts = {title: _Layout.of(maps) for title, maps in strips.items()}
    wide = max(layout.inches[0] for layout in layouts.values())
    high = max(layout.inches[1] for layout in layouts.values())
    columns = min(columns, len(strips))
    figure, axes = plots.panels(len(strips), columns=columns, share=False)
    rows = math.ceil(len(strips) / columns)
    figure.set_size_inches(max(3.4, (wide + 0.2) * columns), 0.8 + (high + MARGIN) * rows)
    top = max(float(each.values.max()) for maps in strips.values() for each in maps)
    for ax, (title, maps) in zip(axes, strips.items(), strict=True):
        _strip(ax, maps, layouts[title], 0.0 if own_scale else top)
        ax.set_title(_one_line(plots.heading(title), wide), loc="left", pad=9)
        ax.set_xlim(-0.5, wide / layouts[title].inch - 0.5)
        ax.set_ylim(high / layouts[title].inch - 0.5, -0.5)
    _key(figure, axes, top, own_scale=own_scale)
    return figure


def _one_line(title: str, inches: float) -> str:
    line = title.replace("\n", ", ")
    return line if LETTER * len(line) < inches else title


@dataclass(frozen=True, slots=True)
class _Layout:
    """The places of a strip's maps, in patches; ``inch`` is the width of a patch."""

    slots: Mapping[Slot, Slot]
    shape: tuple[int, int]
    down: int
    right: int

    @classmethod
    def of(cls, maps: Sequence[HeadMap]) -> _Layout:
        layers = sorted({each.layer for each in maps})
        slots: dict[Slot, Slot] = {}
        for each in sorted(maps, key=lambda each: (each.layer, each.head)):
            row = sum(layer == each.layer for layer, _ in slots)
            slots[each.layer, each.head] = row, layers.index(each.layer)
        high, wide = (max(each.values.shape[axis] for each in maps) for axis in (0, 1))
        return cls(slots, (high, wide), high + math.ceil(LABEL * wide), wide + max(1, round(GAP * wide)))

    @property
    def size(self) -> tuple[int, int]:
        rows, columns = (1 + max(slot[axis] for slot in self.slots.values()) for axis in (0, 1))
        return rows * self.down, columns * self.right

    @property
    def inch(self) -> float:
        return TILE / self.shape[1]

    @property
    def inches(self) -> tuple[float, float]:
        return self.size[1] * self.inch, self.size[0] * self.inch

    def corner(self, each: HeadMap) -> Slot:
        row, column = self.slots[each.layer, each.head]
        return row * self.down, column * self.right


def _strip(ax: Axes, maps: Sequence[HeadMap], layout: _Layout, top: float) -> None:
    """Draw a model's maps as one image; ``top`` is the value of the brightest colour, 0 for each map's own maximum."""
    from teachmatters.reports.figures.plots import INSIDE

    if math.prod(layout.size) > MOST_PIXELS:
        raise TeachMattersError(
            "the maps are too many or too large for a figure; select some with --layers, --heads or --model."
        )
    canvas = np.full(layout.size, np.nan)
    for each in maps:
        (y, x), (high, wide) = layout.corner(each), each.values.shape
        largest = top or float(each.values.max()) or 1.0
        canvas[y : y + high, x : x + wide] = np.sqrt(np.clip(each.values, 0, None) / largest)
        ax.text(
            x + wide / 2 - 0.5, y + high - 0.3, each.text, ha="center", va="top", fontsize=5, linespacing=1.0, **INSIDE
        )
        if each.centred:
            _cross(ax, (y, x), each)
    ax.imshow(canvas, cmap="inferno", vmin=0, vmax=1, interpolation="nearest")
    for layer in sorted({each.layer for each in maps}):
        first = next(each for each in maps if each.layer == layer)
        ax.text(
            layout.corner(first)[1] + layout.shape[1] / 2 - 0.5, -0.9, str(layer), ha="center", fontsize=6, **INSIDE
        )
    ax.set_axis_off()
    ax.set_anchor("NW")


def _cross(ax: Axes, corner: Slot, each: HeadMap) -> None:
    """Mark the row and the column of the query at the edges, so that it and its neighbours stay visible."""
    from teachmatters.reports.figures.plots import INSIDE

    (top, left), (high, wide) = corner, each.values.shape
    y, x = top + (high - 1) / 2, left + (wide - 1) / 2
    long = max(0.5, min(high, wide) / 5)
    style = {"color": "#FFFFFF", "linewidth": 0.4, "alpha": 0.8, **INSIDE}
    for start, end in ((left - 0.5, left - 0.5 + long), (left + wide - 0.5 - long, left + wide - 0.5)):
        ax.plot([start, end], [y, y], **style)
    for start, end in ((top - 0.5, top - 0.5 + long), (top + high - 0.5 - long, top + high - 0.5)):
        ax.plot([x, x], [start, end], **style)
    if each.offset is not None:
        right, down = each.offset
        ax.annotate(
            "", (x + right, y + down), (x, y),
            arrowprops={"arrowstyle": "->", "color": "#00E5FF", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0,
                        "mutation_scale": 5},
            **INSIDE,
        )  # fmt: skip


def _key(figure: Figure, axes: Sequence[Axes], top: float, *, own_scale: bool) -> None:
    """Draw the colour bar: the square root makes small values visible."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    end = 1.0 if own_scale else top
    norm = PowerNorm(0.5, vmin=0, vmax=end)
    bar = figure.colorbar(
        ScalarMappable(norm, "inferno"), ax=list(axes), orientation="horizontal", shrink=0.5, aspect=45, pad=0.01
    )
    # Evenly spaced along the bar: those of its own choice run into each other where the root is flat.
    bar.set_ticks([end * share**2 for share in (0, 0.25, 0.5, 0.75, 1)])
    bar.ax.xaxis.set_major_formatter("{x:.2g}")
    name = "attention as a share of each map's maximum" if own_scale else "attention, one scale for all maps"
    bar.set_label(f"{name} (square root)", fontsize=7)
    bar.ax.tick_params(labelsize=6)
