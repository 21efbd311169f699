"""Averaged attention maps of all heads as in the paper: a grid of layers x heads, labelled [layer, head]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError
from teachmatters.reports import supervisions
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames
from teachmatters.reports.tables.arrays import stored

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALIGNED = "attn-map-aligned"
MOST_PIXELS = 100_000_000
MOST_PREFIX = 5
"""Tokens before the patches in a square grid: a class token and four registers. With more the grid must be known."""

TILE = 0.46  # width of a map, in inches

TITLE, NARROWEST = 2.2, 3.2
"""Width of a panel with the longest title, and of a drawing with the line beneath it, in inches."""

LABEL, GAP = 0.34, 0.08
"""Room beneath and between maps, as shares of their width."""

COLUMNS = 3
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tile:
    """The map of one head.

    Attributes:
        model: the panel that it belongs to.
        metric, layer, head: which map.
        values: (h, w), or (2h-1, 2w-1) of an aligned map.
        prefix: attention on the tokens before the patches, None where these were dropped before.
    """

    model: str
    metric: str
    layer: int
    head: int
    values: NDArray[np.float64]
    prefix: float | None


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the position and the value of each map's maximum."""
    import pandas as pd

    lines = [
        [tile.model, str(tile.layer), str(tile.head), frames.number(float(tile.values.max())), _where(tile),
         "" if tile.prefix is None else frames.number(tile.prefix)]
        for tile in tiles(rows, options)
    ]  # fmt: skip
    found = pd.DataFrame(lines, columns=["model", "layer", "head", "largest", "at", "on class token and registers"])
    found = found if any(line[-1] for line in lines) else found.drop(columns="on class token and registers")
    found.attrs["labels"] = 3
    return found


def _where(tile: Tile) -> str:
    y, x = (int(place) for place in np.unravel_index(int(tile.values.argmax()), tile.values.shape))
    if tile.metric != ALIGNED:
        return f"row {y + 1}, column {x + 1}"
    down, right = y - tile.values.shape[0] // 2, x - tile.values.shape[1] // 2
    steps = [f"{abs(down)} {'down' if down > 0 else 'up'}"] * bool(down)
    steps += [f"{abs(right)} {'right' if right > 0 else 'left'}"] * bool(right)
    return ", ".join(steps) or "the patch itself"


def tiles(rows: pd.DataFrame, options: Options) -> list[Tile]:
    """Return the maps of the selected heads, models in legend order.

    Raises:
        TeachMattersError: a map lies on a grid that the store does not tell.
    """
    every = frames.records(rows)
    named = sorted(
        zip(every, frames.column_labels(every), strict=True), key=lambda pair: supervisions.model_order(pair[0])
    )
    found = []
    for row, name in named:
        for head, values in enumerate(stored(row["data"], 2, 3).astype(np.float64), start=1):
            if not options.heads or head in options.heads:
                grid, prefix = _on_grid(values, row)
                found.append(Tile(name, row["metric"], row["layer"], head, grid, prefix))
    return found


def _on_grid(values: NDArray[np.float64], row: Mapping[str, Any]) -> tuple[NDArray[np.float64], float | None]:
    """Split a map over tokens into a map over patches and the attention to the prefix tokens."""
    if values.ndim == 2:
        return values, None
    side = math.isqrt(len(values))
    told = str(row["grid"] or "").split(",")[1:]
    grid = tuple(map(int, told)) if len(told) == 2 and all(map(str.isdecimal, told)) else (side, side)
    prefix = len(values) - math.prod(grid)
    if prefix < 0 or (prefix > MOST_PREFIX and not row["grid"]):
        raise TeachMattersError(
            f"the store does not tell on which grid of patches the {len(values)} tokens of {row['model']} lie; 'tm "
            f"analyze --model {row['model']} --metric attn-map-spatial-pure' records it."
        )
    return values[prefix:].reshape(grid), float(values[:prefix].sum())


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per model; each map has its own scale, aligned maps have red mid-lines."""
    from teachmatters.reports.figures import plots

    columns = plots.across(frames.records(rows[["dataset", "split"]]), COLUMNS)
    panels: dict[str, dict[Place, Tile]] = {}
    for tile in tiles(rows, options):
        panels.setdefault(tile.model, {})[tile.layer, tile.head] = tile
    layouts = {name: Layout.of(panel) for name, panel in panels.items()}
    room = max(layout.inches[0] for layout in layouts.values()), max(layout.inches[1] for layout in layouts.values())
    across = min(columns, len(panels))
    figure, axes = plots.panels(len(panels), columns=columns, share=False)
    width, height = (room[0] + 0.15) * across, 0.65 + (room[1] + 0.3) * math.ceil(len(panels) / across)
    figure.set_size_inches(max(NARROWEST, width), height)
    for ax, (name, panel) in zip(axes, panels.items(), strict=True):
        _mosaic(ax, panel, layouts[name], room)
        ax.set_title(plots.label(name), loc="left")
    beneath = [options.of(metric).title for metric in options.metrics[:1] if len(options.metrics) == 1]
    beneath.append("[layer, head]; each map on a scale of its own")
    figure.supxlabel("\n".join(filter(None, beneath)), fontsize="small", color="#555555")
    return figure


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a model's maps, in patches.

    Attributes:
        layers, heads: in order.
        shape: height and width of a map.
        down, right: from one map to the next.
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    shape: tuple[int, int]
    down: int
    right: int

    @classmethod
    def of(cls, panel: Mapping[Place, Tile]) -> Layout:
        """Return the smallest layout for all maps of a panel."""
        layers, heads = (tuple(sorted({place[axis] for place in panel})) for axis in (0, 1))
        high, wide = (max(tile.values.shape[axis] for tile in panel.values()) for axis in (0, 1))
        return cls(layers, heads, (high, wide), high + max(2, round(LABEL * wide)), wide + max(1, round(GAP * wide)))

    @property
    def inches(self) -> tuple[float, float]:
        """Return width and height in inches with maps TILE apart, at least as wide as a title."""
        return max(TITLE, TILE * len(self.heads)), TILE / self.right * self.down * len(self.layers)


def _mosaic(ax: Axes, panel: Mapping[Place, Tile], layout: Layout, room: tuple[float, float]) -> None:
    """Draw all maps of a model as one image: there may be hundreds."""
    from teachmatters.reports.figures.plots import INSIDE

    (high, wide), right, down = layout.shape, layout.right, layout.down
    if len(layout.layers) * down * len(layout.heads) * right > MOST_PIXELS:
        raise TeachMattersError(
            "the maps are too many or too large for a drawing; --layers, --heads or --model chooses."
        )
    canvas = np.full((len(layout.layers) * down, len(layout.heads) * right), np.nan)
    for (layer, head), tile in panel.items():
        top, left = layout.layers.index(layer) * down, layout.heads.index(head) * right
        canvas[top : top + high, left : left + wide] = _scaled(tile.values)
        ax.text(left + wide / 2 - 0.5, top + high, f"[{layer}, {head}]", ha="center", va="top", fontsize=5.5, **INSIDE)
        if tile.metric == ALIGNED:
            y, x = top + (high - 1) / 2, left + (wide - 1) / 2
            ax.plot([left - 0.5, left + wide - 0.5], [y, y], color="red", linewidth=0.4, **INSIDE)
            ax.plot([x, x], [top - 0.5, top + high - 0.5], color="red", linewidth=0.4, **INSIDE)
    ax.imshow(canvas, cmap="viridis", interpolation="nearest")
    # Maps are of one width in all panels, however many there are.
    ax.set_xlim(-0.5, room[0] * right / TILE - 0.5)
    ax.set_ylim(room[1] * right / TILE - 0.5, -0.5)
    ax.set_axis_off()
    ax.set_anchor("NW")


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale values to 0..1; a constant map becomes 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
