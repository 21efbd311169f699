"""Averaged attention maps of all heads, as the paper prints them: rows layers, columns heads, [layer, head] beneath."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError
from teachmatters.reports import frames, style
from teachmatters.reports.options import Options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALIGNED = "attn-map-aligned"
MOST_PREFIX = 5
"""Tokens before the patches in a square grid: a class token and four registers. With more the grid must be known."""

TILE = 0.46
"""Width of a map, in inches."""

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
    """For each head where the map is largest, and how large."""
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
    """The maps of the heads asked for, models in the order of training.

    Raises:
        TeachMattersError: a map lies on a grid that the store does not tell.
    """
    every = frames.records(rows)
    named = sorted(zip(every, frames.column_labels(every), strict=True), key=lambda pair: style.model_order(pair[0]))
    found = []
    for row, name in named:
        for head, values in enumerate(np.load(io.BytesIO(row["data"])).astype(np.float64), start=1):
            if not options.heads or head in options.heads:
                grid, prefix = _on_grid(values, row)
                found.append(Tile(name, row["metric"], row["layer"], head, grid, prefix))
    return found


def _on_grid(values: NDArray[np.float64], row: Mapping[str, Any]) -> tuple[NDArray[np.float64], float | None]:
    """A map over tokens as one over patches, and what lies on the tokens before them."""
    if values.ndim == 2:
        return values, None
    side = math.isqrt(len(values))
    grid = tuple(map(int, row["grid"].split(",")[1:])) if row["grid"] else (side, side)
    prefix = len(values) - math.prod(grid)
    if prefix < 0 or (prefix > MOST_PREFIX and not row["grid"]):
        raise TeachMattersError(
            f"the store does not tell on which grid of patches the {len(values)} tokens of {row['model']} lie; 'tm "
            f"analyze --model {row['model']} --metric attn-map-spatial-pure' records it."
        )
    return values[prefix:].reshape(grid), float(values[:prefix].sum())


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """A panel for each model; every map has its own scale, aligned maps have red mid-lines."""
    from teachmatters.reports import plots

    panels: dict[str, dict[Place, Tile]] = {}
    for tile in tiles(rows, options):
        panels.setdefault(tile.model, {})[tile.layer, tile.head] = tile
    wide = max(len({head for _, head in panel}) for panel in panels.values())
    high = max(len({layer for layer, _ in panel}) for panel in panels.values())
    shape = next(iter(next(iter(panels.values())).values())).values.shape
    width, height = max(1.6, TILE * wide), 0.3 + TILE * high * (shape[0] / shape[1] + LABEL) / (1 + GAP)
    across = min(COLUMNS, len(panels))
    figure, axes = plots.panels(len(panels), columns=COLUMNS, share=False)
    figure.set_size_inches(0.2 + (width + 0.1) * across, 0.5 + height * math.ceil(len(panels) / across))
    for ax, (name, panel) in zip(axes, panels.items(), strict=True):
        _mosaic(ax, panel)
        ax.set_title(plots.label(name))
    figure.supxlabel("[layer, head]; each map on a scale of its own", fontsize="small", color="#555555")
    return figure


def _mosaic(ax: Axes, panel: Mapping[Place, Tile]) -> None:
    """All maps of a model in one image, so that hundreds of them are drawn at once."""
    layers, heads = (sorted({place[axis] for place in panel}) for axis in (0, 1))
    high, wide = (max(tile.values.shape[axis] for tile in panel.values()) for axis in (0, 1))
    down, right = high + max(2, round(LABEL * wide)), wide + max(1, round(GAP * wide))
    canvas = np.full((len(layers) * down, len(heads) * right), np.nan)
    for (layer, head), tile in panel.items():
        top, left = layers.index(layer) * down, heads.index(head) * right
        canvas[top : top + high, left : left + wide] = _scaled(tile.values)
        ax.text(left + wide / 2 - 0.5, top + high, f"[{layer}, {head}]", ha="center", va="top", fontsize=5.5)
        if tile.metric == ALIGNED:
            y, x = top + (high - 1) / 2, left + (wide - 1) / 2
            ax.plot([left - 0.5, left + wide - 0.5], [y, y], color="red", linewidth=0.4)
            ax.plot([x, x], [top - 0.5, top + high - 0.5], color="red", linewidth=0.4)
    ax.imshow(canvas, cmap="viridis", interpolation="nearest")
    ax.set_axis_off()


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0, the smallest, to 1, the largest; an even map is 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
