"""Panels of coloured cells: layers to the right, heads downwards, one panel per model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

CELL, WIDEST, TALLEST = 0.17, 3.2, 2.4  # inches: a cell, and the sides of a panel
COLUMNS = 3


def panels(shapes: Mapping[str, tuple[int, int]]) -> tuple[Figure, list[Axes]]:
    """Make a figure with one panel per title, each with its numbers of heads and layers.

    Args:
        shapes: heads and layers by title.
    """
    heads, layers = (max(shape[axis] for shape in shapes.values()) for axis in (0, 1))
    wide, high = min(WIDEST, max(1.6, CELL * layers)), min(TALLEST, max(0.9, CELL * heads))
    figure, axes = plots.panels(len(shapes), columns=COLUMNS, share=False)
    columns = min(COLUMNS, len(shapes))
    figure.set_size_inches(max(3.4, (wide + 0.45) * columns), (high + 0.75) * math.ceil(len(shapes) / columns) + 0.2)
    for ax, title in zip(axes, shapes, strict=True):
        ax.set_title(plots.heading(title))
    for ax in axes[::columns]:
        ax.set_ylabel("Head")
    for ax in plots.bottom(axes, columns=columns):
        ax.set_xlabel("Layer")
    return figure, axes


def cells(ax: Axes, values: NDArray[Any], **style: Any) -> AxesImage:
    """Fill a panel with cells.

    Args:
        ax: the panel.
        values: (heads, layers), or (heads, layers, 3) of colours.
        style: for ``imshow``.
    """
    heads, layers = values.shape[:2]
    image = ax.imshow(values, extent=(0.5, layers + 0.5, heads + 0.5, 0.5), aspect="auto", **style)
    ax.grid(visible=False)
    ax.set_xticks(plots.whole_ticks(1, layers, most=6))
    ax.set_yticks(plots.whole_ticks(1, heads, most=6))
    ax.set_xticks([layer + 0.5 for layer in range(1, layers)], minor=True)
    ax.set_yticks([head + 0.5 for head in range(1, heads)], minor=True)
    ax.grid(visible=True, which="minor", color="white", linewidth=0.8)
    ax.set_axisbelow(False)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    return image
