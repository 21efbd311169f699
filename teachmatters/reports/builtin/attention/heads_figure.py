"""The figure of head types: layers x heads, with the direction and the distance of offset heads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from teachmatters.reports import titles
from teachmatters.reports.builtin.attention.heads import LOOKS, OFFSET, OTHER, is_near
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
PALE = 0.45  # the opacity of heads near a threshold
COMMON = {"global": "#DDDDDD"}  # lighter than in other figures: most heads are global, and the others are of interest


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per model: the type of each head as colour, pale near a threshold; arrows show offsets."""
    from matplotlib.patches import Patch

    from teachmatters.reports.figures import layer_head_grid, plots

    every = frames.records(rows)
    models, headings = frames.by_label(every), titles.panel_titles(every)
    shapes = {
        name: (max(row["head"] for row in panel), max(row["layer"] for row in panel)) for name, panel in models.items()
    }
    figure, axes = layer_head_grid.panels({headings[name]: shape for name, shape in shapes.items()})
    for ax, (name, panel) in zip(axes, models.items(), strict=True):
        _panel(ax, panel, shapes[name])
    held = {row["type"] for row in every}
    key: dict[str, Artist] = {kind: Patch(color=colour(kind)) for kind in (*LOOKS, *sorted(held - set(LOOKS)))}
    plots.legend(figure, {}, {kind: patch for kind, patch in key.items() if kind in held})
    return figure


def _panel(ax: Axes, panel: Rows, shape: tuple[int, int]) -> None:
    import numpy as np
    from matplotlib.colors import to_rgb

    from teachmatters.reports.figures import layer_head_grid

    colours = np.ones((*shape, 3))
    for row in panel:
        opacity = PALE if is_near(row) else 1.0
        colours[row["head"] - 1, row["layer"] - 1] = 1 - opacity * (1 - np.array(to_rgb(colour(row["type"]))))
    layer_head_grid.cells(ax, colours)
    for row in panel:
        if row["type"] == OFFSET:
            _arrow(ax, row)


def _arrow(ax: Axes, row: dict[str, Any]) -> None:
    """Draw the direction of an offset head, and its distance in patches above."""
    from teachmatters.reports.figures.plots import INSIDE

    if row["x"] is None or row["y"] is None:
        return
    length = math.hypot(row["x"], row["y"]) or 1.0
    right, down = 0.3 * row["x"] / length, 0.3 * row["y"] / length
    x, y = row["layer"], row["head"]
    ax.annotate(
        "", (x + right, y + down + 0.12), (x - right, y - down + 0.12),
        arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0,
                    "mutation_scale": 5},
        **INSIDE,
    )  # fmt: skip
    ax.text(x, y - 0.27, f"{length:.1f}", ha="center", va="center", fontsize=4, **INSIDE)


def colour(kind: str) -> str:
    """Return the colour of a type in maps of heads."""
    return COMMON.get(kind) or LOOKS.get(kind, OTHER)[0]
