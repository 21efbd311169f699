"""Attention over an image: a grid of maps in one figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from teachmatters.measures.attention.attention_views import Grid
from teachmatters.reports.figures import plots

Pixels = NDArray[np.float32]
"""(height, width, 3) in 0..1."""

DPI = 160
"""That of plots.save: a pixel of the panels is a pixel of the drawing."""

COLOURS = "inferno"
OPACITY = 0.6
MOST, WIDEST, NARROWEST = 1900, 160, 112
"""Pixels: about the width of all columns together, and that of a panel, under which its two labels must fit."""

GAP, LETTERS, LEFT = 8, 22, 88
"""Pixels: between panels, for the line beneath each, and for the rows' labels."""


class _Canvas(Artist):
    """A pixel background without resampling, which takes most of the time in matplotlib's own images."""

    zorder = -1

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        super().__init__()
        opaque = np.full((*pixels.shape[:2], 1), 255, dtype=np.uint8)
        self._pixels = np.concatenate([pixels, opaque], axis=2)[::-1]

    def draw(self, renderer: RendererBase) -> None:
        renderer.draw_image(renderer.new_gc(), 0, 0, self._pixels)


def draw(image: str, model: str, pixels: NDArray[np.uint8], grid: Grid, tokens: int) -> Figure:
    """Draw every map over its image, each on its own colour scale from 0 to its maximum, which is printed below it.

    Args:
        image: its name.
        model: its label.
        pixels: (height, width, 3), what the model saw.
        grid: the maps.
        tokens: how many share the attention of one.
    """
    rows, columns = len(grid.rows), len(grid.columns)
    small = _reduced(pixels, columns)
    step = small.shape[0] + LETTERS, small.shape[1] + GAP
    head = max(small.shape[0], 112) + 50
    width, height = max(LEFT + columns * step[1] + GAP, 860), head + rows * step[0] + GAP
    with plots.look():
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        ax.set(xlim=(0, width), ylim=(height, 0))
        figure.add_artist(_Canvas(_mosaic(small, grid, (height, width), head)))
        _title(ax, image, model, grid, (small.shape[1], tokens))
        _labels(ax, grid, small, head)
        _marks(ax, grid, small, head)
    return figure


def overlay(pixels: Pixels, values: NDArray[np.float32]) -> Pixels:
    """Return a map in colours from 0 to its maximum over the image in grey; each patch is a square.

    Args:
        pixels: the image.
        values: (h, w), at least 0.
    """
    height, width = pixels.shape[:2]
    y = np.arange(height) * values.shape[0] // height
    x = np.arange(width) * values.shape[1] // width
    highest = float(values.max())
    heat = mpl.colormaps[COLOURS]((values / highest if highest > 0 else values)[np.ix_(y, x)])[..., :3]
    grey = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return (OPACITY * heat + (1 - OPACITY) * grey[..., None]).astype(np.float32)


def is_our_figure(path: Path) -> bool:
    """Return True for a figure of this package, which may be overwritten."""
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == plots.SOFTWARE
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _reduced(pixels: NDArray[np.uint8], columns: int) -> Pixels:
    height, width = pixels.shape[:2]
    wide = min(WIDEST, max(NARROWEST, MOST // columns - GAP))
    small = Image.fromarray(pixels).resize((wide, max(1, round(wide * height / width))), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def _mosaic(small: Pixels, grid: Grid, size: tuple[int, int], head: int) -> NDArray[np.uint8]:
    """Return the pixels of the figure: the image in the corner, the colour bar and the panels."""
    canvas = np.ones((*size, 3), dtype=np.float32)
    high, wide = small.shape[:2]
    canvas[GAP : GAP + high, LEFT : LEFT + wide] = small
    scale = mpl.colormaps[COLOURS](np.linspace(0, 1, 160))[:, :3]
    left = LEFT + wide + 2 * GAP
    canvas[GAP + 94 : GAP + 104, left : left + 160] = OPACITY * scale + (1 - OPACITY) * 0.5
    for row, line in enumerate(grid.maps):
        for column, values in enumerate(line):
            y, x = _corner(row, column, small, head)
            canvas[y : y + high, x : x + wide] = overlay(small, values)
    return np.rint(255 * canvas).astype(np.uint8)


def _corner(row: int, column: int, small: Pixels, head: int) -> tuple[int, int]:
    return head + row * (small.shape[0] + LETTERS), LEFT + column * (small.shape[1] + GAP)


def _title(ax: Axes, image: str, model: str, grid: Grid, facts: tuple[int, int]) -> None:
    wide, tokens = facts
    left = LEFT + wide + 2 * GAP
    for y, size, text in (
        (0, 8.5, plots.label(image, 40)),
        (22, 8.5, plots.label(model, 40)),
        (46, 7.5, plots.label(grid.about, 60)),
        (70, 6.5, f"if a token looked at all {tokens:,} alike: {1 / tokens:.2g}"),
    ):
        ax.text(left, GAP + y, text, size=size, va="top")
    ax.text(left + 168, GAP + 99, "0 to the maximum of each panel", size=6.5, va="center")


def _labels(ax: Axes, grid: Grid, small: Pixels, head: int) -> None:
    high, wide = small.shape[:2]
    for column, label in enumerate(grid.columns):
        y, x = _corner(0, column, small, head)
        ax.text(x + wide / 2, y - 6, label, size=7, ha="center", va="bottom")
    for row, label in enumerate(grid.rows):
        y, x = _corner(row, 0, small, head)
        ax.text(x - 8, y + high / 2, label, size=7, ha="right", va="center")
        for column in range(len(grid.columns)):
            _, x = _corner(row, column, small, head)
            ax.text(x + wide, y + high + 2, f"{grid.maps[row, column].max():.2g}", size=5.5, ha="right", va="top")
            if grid.captions:
                ax.text(x, y + high + 2, grid.captions[row][column], size=5.5, va="top")


def _marks(ax: Axes, grid: Grid, small: Pixels, head: int) -> None:
    """Frame the query patch."""
    patch = small.shape[0] / grid.maps.shape[-2], small.shape[1] / grid.maps.shape[-1]
    for column, mark in enumerate(grid.marks):
        for row in range(len(grid.rows) if mark else 0):
            assert mark is not None
            y, x = _corner(row, column, small, head)
            place = x + mark[1] * patch[1], y + mark[0] * patch[0]
            for colour, line in (("black", 1.5), ("#00E5FF", 0.7)):
                ax.add_patch(Rectangle(place, patch[1], patch[0], fill=False, edgecolor=colour, linewidth=line))
