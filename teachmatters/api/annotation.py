"""Annotations of an image other than its label: masks, boxes and points, in pixels of the image.

``Dataset.annotations`` returns them by name. Each kind of data has these names:

- ``masks``: ``{"objects": (Mask, ...)}``; ``parts``: ``{"parts": (Mask, ...)}``;
- ``semantic``: ``{"mask": SemanticMask}``;
- ``videos``: ``{"mask": IndexMask}``;
- ``pairs``: ``{"box": Box, "points": Points}``;
- ``retrieval``, for a query: ``{"box": Box, "easy": (int, ...), "hard": (int, ...), "junk": (int, ...)}``, the numbers
  are positions among the gallery's items.

A transform moves annotations of these types with the image and leaves all others unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# In index and semantic masks, a pixel that belongs to nothing that is counted.
VOID = 255


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """The mask of one object, or of one part of an object.

    Attributes:
        pixels: uint8 (height, width), 0 or 255. Transformed: on the item's grid, 0..255 (the share of a patch).
        label: index into ``Dataset.categories`` of its kind.
    """

    pixels: NDArray[np.uint8]
    label: int


@dataclass(frozen=True, slots=True, eq=False)
class IndexMask:
    """The object of each pixel of a frame.

    Attributes:
        pixels: uint8 (height, width): 0 the background, objects from 1, 255 void. Transformed: on the item's grid,
            nearest neighbour.
    """

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class SemanticMask:
    """The class of each pixel.

    Attributes:
        pixels: uint8 (height, width), indices into ``Dataset.categories("semantic")``, VOID where unknown.
            Transformed: at the size of the input in pixels, nearest neighbour; VOID where the input has no image.
    """

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``right`` and ``bottom`` are its far edges. Transformed: in pixels of the input."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The keypoints of one image.

    Attributes:
        xy: float64 (points, 2), x to the right, y downwards. Transformed: in pixels of the input.
    """

    xy: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two images of one category whose keypoints correspond.

    Attributes:
        source, target: positions among the items of kind ``pairs``.
        source_points, target_points: indices of the corresponding points of each image, in the same order.
        category: the category of both objects.
        difficulty: such as ``{"viewpoint": 2, "occlusion": 1}``.
    """

    source: int
    target: int
    source_points: tuple[int, ...]
    target_points: tuple[int, ...]
    category: str
    difficulty: Mapping[str, int] = field(default_factory=dict)
