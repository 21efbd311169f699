"""Maps over the patches of several images, layer by layer: principal components, and similarity to one patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from teachmatters.reports.figures import panel_sheet
from teachmatters.reports.figures.panel_sheet import MATCH, QUERY, Mark, Pixels, Sheet, enlarged, grey, reduced

Scale: TypeAlias = Literal["own", "shared"]

COLOURS, OPACITY = "viridis", 0.75

# Pairs of a name and the model's input, uint8 (height, width, 3).
Images: TypeAlias = Sequence[tuple[str, NDArray[np.uint8]]]


def draw_components(
    model: str, images: Images, layers: Sequence[int], colours: NDArray[np.float32], about: str
) -> Figure:
    """Draw the patches of each image in colours.

    Args:
        model: its label.
        images: one per row.
        layers: one per column, after the image.
        colours: (images, layers, h, w, 3), 0 to 1.
        about: what the colours mean.
    """
    small = [reduced(pixels, len(layers) + 1) for _, pixels in images]
    size = small[0].shape[:2]
    panels = [[image, *(enlarged(one, size) for one in row)] for image, row in zip(small, colours, strict=True)]
    sheet = Sheet(
        rows=[name for name, _ in images],
        columns=_columns(layers),
        panels=np.array(panels, dtype=np.float32),
        titles=("Principal components of the patches", model, about),
    )
    return panel_sheet.draw(sheet)


def draw_similarity(
    model: str,
    images: Images,
    layers: Sequence[int],
    maps: NDArray[np.float32],
    patch: tuple[int, int],
    scale: Scale = "shared",
) -> Figure:
    """Draw the similarity of one patch of the first image to all patches of all images.

    Args:
        model: its label.
        images: one per row.
        layers: one per column, after the image.
        maps: (images, layers, h, w), cosines.
        patch: row and column of the patch, from 0.
        scale: whether the colours span each map, or all maps together.
    """
    small = [reduced(pixels, len(layers) + 1) for _, pixels in images]
    whole = float(maps.min()), float(maps.max())
    limits = [[whole if scale == "shared" else (float(m.min()), float(m.max())) for m in row] for row in maps]
    panels = [
        [image, *(_tinted(image, m, ends) for m, ends in zip(row, line, strict=True))]
        for image, row, line in zip(small, maps, limits, strict=True)
    ]
    ends = f"{whole[0]:.2f} to {whole[1]:.2f}" if scale == "shared" else "minimum to maximum of each panel"
    sheet = Sheet(
        rows=[name for name, _ in images],
        columns=_columns(layers),
        panels=np.array(panels, dtype=np.float32),
        titles=(
            f"Similarity to the patch in row {patch[0] + 1}, column {patch[1] + 1} of {images[0][0]}",
            model,
            "cosine; below each panel its minimum and maximum",
            "white: the most similar patch of another image",
        ),
        left=[["", *(f"{m.min():.2f}" for m in row)] for row in maps],
        right=[["", *(f"{m.max():.2f}" for m in row)] for row in maps],
        marks=_marks(maps, patch),
        bar=(COLOURS, ends),
    )
    return panel_sheet.draw(sheet)


def _tinted(image: Pixels, values: NDArray[np.float32], limits: tuple[float, float]) -> Pixels:
    """Return a map (h, w) in colours that cover most of the image in grey."""
    low, high = limits
    colours = mpl.colormaps[COLOURS](((values - low) / (high - low if high > low else 1)).clip(0, 1))[..., :3]
    return (OPACITY * enlarged(colours, image.shape[:2]) + (1 - OPACITY) * grey(image)).astype(np.float32)


def _columns(layers: Sequence[int]) -> list[str]:
    return ["image", *(f"layer {layer}" for layer in layers)]


def _marks(maps: NDArray[np.float32], patch: tuple[int, int]) -> list[Mark]:
    """Frame the patch in the first image, and in the other images the patch that is most similar to it."""
    rows, columns = maps.shape[2:]
    size = 1 / rows, 1 / columns
    marks = [Mark(0, k, patch[0] / rows, patch[1] / columns, size, QUERY) for k in range(maps.shape[1] + 1)]
    for image in range(1, len(maps)):
        for layer, values in enumerate(maps[image]):
            y, x = np.unravel_index(int(values.argmax()), values.shape)
            marks.append(Mark(image, layer + 1, float(y) / rows, float(x) / columns, size, MATCH))
    return marks
