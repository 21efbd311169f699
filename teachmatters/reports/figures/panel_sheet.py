"""Rows and columns of small images with labels, in one figure; a pixel of a panel is a pixel of the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

from teachmatters.reports.figures import plots

# (height, width, 3) in 0..1.
Pixels = NDArray[np.float32]

# The resolution of plots.save, so that a pixel of a panel is a pixel of the figure.
DPI = 160

# In pixels: the approximate width of all columns together, and the largest and smallest width of a panel. Two labels
# must fit below a panel.
MOST, WIDEST, NARROWEST = 1900, 160, 112

# In pixels: the gap between panels, the height of the line below each, and the width of the row labels.
GAP, LETTERS, LEFT = 8, 22, 88

# The number of characters of a row label that fit into LEFT.
SHORT = 9

# The colours of the frames around patches.
QUERY, MATCH = "#00E5FF", "#FFFFFF"


@dataclass(frozen=True, slots=True)
class Mark:
    """A frame around a patch: the position of the panel, the patch in fractions of the panel, and the colour."""

    row: int
    column: int
    top: float
    left: float
    size: tuple[float, float]
    colour: str = QUERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A figure of panels.

    Attributes:
        rows, columns: their labels.
        panels: float32 (rows, columns, height, width, 3), 0 to 1.
        titles: up to four lines at the top, the first two in larger type.
        left, right: for each row, the texts below each panel, on the left and on the right; or empty.
        marks: frames around patches.
        bar: name and meaning of the colours, or None.
        image: an image for the top left corner, or None.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    panels: NDArray[np.float32]
    titles: Sequence[str]
    left: Sequence[Sequence[str]] = ()
    right: Sequence[Sequence[str]] = ()
    marks: Sequence[Mark] = ()
    bar: tuple[str, str] | None = None
    image: Pixels | None = None

    @property
    def head(self) -> int:
        """Return the height above the first row of panels in pixels."""
        titles = 112 if self.bar else 80
        return max(titles, 0 if self.image is None else int(self.panels.shape[2])) + 50

    @property
    def margin(self) -> int:
        """Return the width left of the first column in pixels, which holds the row labels."""
        return LEFT if max(map(len, self.rows)) <= SHORT else 2 * LEFT

    @property
    def titles_left(self) -> int:
        """Return the width left of the titles in pixels."""
        return self.margin + (0 if self.image is None else self.panels.shape[3] + 2 * GAP)

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the y and x of a panel."""
        high, wide = self.panels.shape[2:4]
        return self.head + row * (high + LETTERS), self.margin + column * (wide + GAP)


class _Canvas(Artist):
    """A background of pixels without resampling, which takes most of the time in matplotlib's own images."""

    zorder = -1

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        super().__init__()
        opaque = np.full((*pixels.shape[:2], 1), 255, dtype=np.uint8)
        self._pixels = np.concatenate([pixels, opaque], axis=2)[::-1]

    def draw(self, renderer: RendererBase) -> None:
        renderer.draw_image(renderer.new_gc(), 0, 0, self._pixels)


def draw(sheet: Sheet) -> Figure:
    """Draw a sheet."""
    rows, columns, high, wide = sheet.panels.shape[:4]
    width = max(sheet.margin + columns * (wide + GAP) + GAP, 860)
    height = sheet.head + rows * (high + LETTERS) + GAP
    with plots.look():
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        ax.set(xlim=(0, width), ylim=(height, 0))
        figure.add_artist(_Canvas(_mosaic(sheet, (height, width))))
        _write_titles(ax, sheet, width)
        _write_labels(ax, sheet)
        _write_captions(ax, sheet)
        _draw_marks(ax, sheet)
    return figure


def reduced(pixels: NDArray[np.uint8], columns: int) -> Pixels:
    """Return an image at the size of a panel, given the number of columns."""
    height, width = pixels.shape[:2]
    wide = min(WIDEST, max(NARROWEST, MOST // columns - GAP))
    small = Image.fromarray(pixels).resize((wide, max(1, round(wide * height / width))), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def grey(image: Pixels) -> NDArray[np.float32]:
    """Return the luminance of an image, (height, width, 1)."""
    return (image @ np.array([0.299, 0.587, 0.114], dtype=np.float32))[..., None]


def enlarged(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return values of patches (h, w, ...) as squares of pixels, (*size, ...)."""
    y, x = (np.arange(length) * count // length for length, count in zip(size, values.shape, strict=False))
    grown: NDArray[np.float32] = values[y[:, None], x]
    return grown


def is_our_figure(path: Path) -> bool:
    """Return True for a figure of this package, which may be overwritten."""
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == plots.SOFTWARE
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _mosaic(sheet: Sheet, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the pixels of the figure: the image in the corner, the colour bar and the panels."""
    canvas = np.ones((*size, 3), dtype=np.float32)
    high, wide = sheet.panels.shape[2:4]
    if sheet.image is not None:
        canvas[GAP : GAP + high, sheet.margin : sheet.margin + wide] = sheet.image
    if sheet.bar:
        left = sheet.titles_left
        canvas[GAP + 94 : GAP + 104, left : left + 160] = mpl.colormaps[sheet.bar[0]](np.linspace(0, 1, 160))[:, :3]
    for row, line in enumerate(sheet.panels):
        for column, panel in enumerate(line):
            y, x = sheet.corner(row, column)
            canvas[y : y + high, x : x + wide] = panel
    return np.rint(255 * canvas).astype(np.uint8)


def _write_titles(ax: Axes, sheet: Sheet, width: int) -> None:
    left = sheet.titles_left
    for y, size, text in zip((0, 22, 46, 70), (8.5, 8.5, 7.5, 6.5), sheet.titles, strict=False):
        longest = int((width - left) / (1.45 * size))  # pixels of the widest usual letters, by points
        ax.text(left, GAP + y, plots.label(text, longest), size=size, va="top")
    if sheet.bar:
        ax.text(left + 168, GAP + 99, sheet.bar[1], size=6.5, va="center")


def _write_labels(ax: Axes, sheet: Sheet) -> None:
    high, wide = sheet.panels.shape[2:4]
    for column, label in enumerate(sheet.columns):
        y, x = sheet.corner(0, column)
        ax.text(x + wide / 2, y - 6, label, size=7, ha="center", va="bottom")
    for row, label in enumerate(sheet.rows):
        y, x = sheet.corner(row, 0)
        ax.text(x - 8, y + high / 2, plots.label(label, 2 * SHORT), size=7, ha="right", va="center")


def _write_captions(ax: Axes, sheet: Sheet) -> None:
    high, wide = sheet.panels.shape[2:4]
    for side, shift, texts in (("left", 0, sheet.left), ("right", wide, sheet.right)):
        for row, line in enumerate(texts):
            for column, text in enumerate(line):
                y, x = sheet.corner(row, column)
                ax.text(x + shift, y + high + 2, text, size=5.5, ha=side, va="top")


def _draw_marks(ax: Axes, sheet: Sheet) -> None:
    high, wide = sheet.panels.shape[2:4]
    for mark in sheet.marks:
        y, x = sheet.corner(mark.row, mark.column)
        place, size = (x + mark.left * wide, y + mark.top * high), (mark.size[1] * wide, mark.size[0] * high)
        for colour, line in (("black", 1.5), (mark.colour, 0.7)):
            ax.add_patch(Rectangle(place, *size, fill=False, edgecolor=colour, linewidth=line))
