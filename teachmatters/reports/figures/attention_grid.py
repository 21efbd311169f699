"""Attention over an image: a grid of maps in one figure."""

from __future__ import annotations

from typing import Literal, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from teachmatters.measures.attention.attention_views import Grid
from teachmatters.reports.figures import panel_sheet
from teachmatters.reports.figures.panel_sheet import Mark, Pixels, Sheet, enlarged, grey, reduced

Scale: TypeAlias = Literal["own", "shared", "uniform"]

COLOURS = "inferno"
# The weights of the map's colour and of the grey image in an overlay.
GLOW, IMAGE = 0.9, 0.5

# The upper end of the scale ``uniform``, as a multiple of uniform attention.
UNIFORM = 5


def draw(
    image: str, model: str, pixels: NDArray[np.uint8], grid: Grid, tokens: int, scale: Scale = "uniform"
) -> Figure:
    """Draw every map over its image; the maximum of each is printed below it.

    Args:
        image: its name.
        model: its label.
        pixels: (height, width, 3), the input of the model.
        grid: the maps.
        tokens: the number of tokens that one token's attention is divided among.
        scale: where the colours end: at each map's own maximum, at the largest of all maps, or at UNIFORM times
            uniform attention.
    """
    small = reduced(pixels, len(grid.columns))
    shared = float(grid.maps.max()) if scale == "shared" else UNIFORM / tokens
    panels = [
        [overlay(small, values, float(values.max()) if scale == "own" else shared) for values in line]
        for line in grid.maps
    ]
    ends = {
        "own": "0 to the maximum of each panel",
        "shared": f"0 to {shared:.2g}, the maximum of all panels",
        "uniform": f"0 to {shared:.2g}, {UNIFORM} times uniform attention",
    }
    sheet = Sheet(
        rows=grid.rows,
        columns=grid.columns,
        panels=np.array(panels, dtype=np.float32),
        titles=(image, model, grid.about, f"uniform attention on {tokens:,} tokens: {1 / tokens:.2g}"),
        left=grid.captions,
        right=[[f"{values.max():.2g}" for values in line] for line in grid.maps],
        marks=_marks(grid),
        bar=(COLOURS, ends[scale]),
        image=small,
    )
    return panel_sheet.draw(sheet)


def overlay(pixels: Pixels, values: NDArray[np.float32], highest: float) -> Pixels:
    """Return a map as light on the image in grey; each patch is a square.

    Args:
        pixels: the image.
        values: (h, w), at least 0.
        highest: the value where the colours end.
    """
    heat = mpl.colormaps[COLOURS]((values / (highest if highest > 0 else 1)).clip(0, 1))[..., :3]
    light = GLOW * enlarged(heat, pixels.shape[:2]) + IMAGE * grey(pixels)
    return light.clip(0, 1).astype(np.float32)


def _marks(grid: Grid) -> list[Mark]:
    """Frame the query patch."""
    high, wide = (1 / count for count in grid.maps.shape[-2:])
    return [
        Mark(row, column, patch[0] * high, patch[1] * wide, (high, wide))
        for column, patch in enumerate(grid.marks)
        if patch is not None
        for row in range(len(grid.rows))
    ]
