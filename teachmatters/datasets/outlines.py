"""Outlines in COCO's format, and the masks drawn from them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# Polygons as x, y, x, y, ... or run lengths, as pycocotools takes them.
Outline: TypeAlias = "list[NDArray[np.float64]] | dict[str, Any]"

# Largest coordinate of a polygon, in pixels; beyond it the file is damaged, and drawing would not end.
FARTHEST = 1e5


def outline_of(segmentation: Any) -> Outline:
    """Return an annotation's outline; ignore polygons of four numbers or fewer, which PartImageNet contains.

    Raises:
        ValueError, TypeError: the annotation is not an outline.
    """
    if isinstance(segmentation, dict):
        return segmentation
    polygons = [np.asarray(polygon, dtype=np.float64) for polygon in segmentation if len(polygon) > 4]
    if not all(np.abs(polygon).max() < FARTHEST for polygon in polygons):
        raise ValueError("a polygon has points that are not numbers or far outside of the image")
    return polygons


def draw(outline: Outline, height: int, width: int) -> NDArray[np.uint8]:
    """Rasterise an outline as pycocotools does.

    Args:
        outline: polygons; or run lengths, plain or compressed, of an image of this size.
        height: the height of the image.
        width: the width of the image.

    Returns:
        uint8 (height, width), 0 or 255; all 0 for no polygon.

    Raises:
        ValueError, TypeError, OverflowError: the run lengths do not fit the image.

    >>> draw([np.array([1.0, 1, 3, 1, 3, 3, 1, 3])], 4, 4)[1].tolist()
    [0, 255, 255, 0]
    >>> draw({"size": [2, 2], "counts": [1, 3]}, 2, 2).tolist()
    [[0, 255], [255, 255]]
    """
    from pycocotools import mask

    if not outline:
        return np.zeros((height, width), np.uint8)
    if isinstance(outline, dict):
        runs = _runs(outline, height, width)
    else:
        runs = mask.merge(mask.frPyObjects(outline, height, width))
    pixels = np.ascontiguousarray(mask.decode(runs))
    if pixels.sum(dtype=np.int64) != mask.area(runs):  # pixels after the last run are uninitialised
        raise ValueError("its run lengths end before the image does")
    return pixels * np.uint8(255)


def _runs(outline: dict[str, Any], height: int, width: int) -> Any:
    from pycocotools import mask

    counts = outline.get("counts")
    if list(outline.get("size", ())) != [height, width]:
        raise ValueError(f"its run lengths are for {outline.get('size')}, the image has {[height, width]}")
    if not isinstance(counts, list):
        return outline
    if sum(counts) != height * width:
        raise ValueError(f"its run lengths sum to {sum(counts)}, the image has {height * width} pixels")
    return mask.frPyObjects(outline, height, width)
