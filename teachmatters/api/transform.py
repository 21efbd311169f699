"""The contract of a transform, which turns images into model inputs, and the default transform, Crop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from teachmatters.api.annotation_transform import BICUBIC, NEAREST, Annotations, AnnotationTransform
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from teachmatters.api.model import ModelInfo
    from teachmatters.api.parameter import Parameters

# The largest resized image. A file of a few bytes may hold a line of a million pixels, which would grow to gigabytes.
MOST_PIXELS = 2**26


@dataclass(frozen=True, slots=True)
class TransformedImage:
    """One item as model inputs.

    Attributes:
        inputs: uint8 (windows, 3, height, width); one window unless the transform divides the image.
        grid: rows and columns of patches of the whole item.
        patches: int64 (windows, patches of a window): the position of each patch in the item's grid (row-major), -1
            for a patch that another window covers. None: the only window is the whole grid.
        annotations: by kind, transformed with the image.
    """

    inputs: NDArray[np.uint8]
    grid: tuple[int, int]
    patches: NDArray[np.int64] | None = None
    annotations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Transform(ABC):
    """A function from images to model inputs.

    Equal transforms of one data set share a forward pass, so make it a frozen dataclass with a field for everything
    that changes the result.

    Attributes:
        inputs: the number of inputs per image, which ``tm study --plan`` uses; None if it depends on the image.
    """

    inputs: ClassVar[int | None] = None

    def check(self, model: ModelInfo) -> None:
        """Check that the transform suits a model.

        Raises:
            TeachMattersError: it does not.
        """

    @abstractmethod
    def apply(self, image: Image, annotations: Annotations, model: ModelInfo) -> TransformedImage:
        """Transform one RGB image and its annotations by kind.

        Raises:
            ValueError: this image cannot be transformed; the runner skips and counts it.
        """


@dataclass(frozen=True, slots=True)
class Crop(Transform):
    """The central S x S crop, S being the model's size, after resizing the short side (bicubic, antialiased).

    The result is bit-identical to torchvision's Resize and CenterCrop on an 8-bit image: the long side is truncated,
    and the crop's offset rounds half to even. For a model with rectangular inputs, the image is resized to just cover
    the rectangle, which a larger ``short_side`` enlarges in proportion.

    Masks are first cropped to the central rectangle that the input shows (sides and offset floored), then resized to
    the grid (bicubic; IndexMask nearest), a SemanticMask to the input's size (nearest).

    Attributes:
        short_side: pixels of the short side before the crop, at least S; None: S, which keeps most of the image.
    """

    inputs: ClassVar[int | None] = 1

    short_side: int | None = None

    @classmethod
    def of(cls, parameters: Parameters) -> Crop:
        """Return the crop that the parameter SHORT_SIDE chooses, where it is declared."""
        return cls(parameters.get("short_side"))

    def check(self, model: ModelInfo) -> None:
        """See Transform.check."""
        size = min(model.input_size)
        if self.short_side is not None and self.short_side < size:
            raise TeachMattersError(
                f"short_side={self.short_side} is less than the {size} pixels that the model takes; use {size} or more"
            )

    def apply(self, image: Image, annotations: Annotations, model: ModelInfo) -> TransformedImage:
        """See Transform.apply."""
        self.check(model)
        (high, wide), (width, height) = model.input_size, image.size
        size = min(high, wide)
        side = self.short_side or size
        new, old = covering(image.size, (wide * side // size, high * side // size))
        if new != old:
            image = image.resize((int(new * width / old), int(new * height / old)), BICUBIC)
        left, top = round((image.width - wide) / 2), round((image.height - high) / 2)

        def mask_on_grid(mask: Image, resampling: int) -> Image:
            return _central(mask, (wide, high), (size, side)).resize((model.grid[1], model.grid[0]), resampling)

        def semantic(mask: Image) -> Image:
            return _central(mask, (wide, high), (size, side)).resize((wide, high), NEAREST)

        move = AnnotationTransform((image.width / width, image.height / height), (-left, -top), mask_on_grid, semantic)
        inputs = pixels(image.crop((left, top, left + wide, top + high)))[None]
        return TransformedImage(inputs, model.grid, None, move(annotations))


def covering(image: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return the new and the old length of the side that just fits when an image covers a rectangle.

    Args:
        image: the width and height of the image in pixels.
        target: the width and height of the rectangle.

    Raises:
        ValueError: the resized image would be too large.

    >>> covering((640, 480), (224, 224))
    (224, 480)
    """
    (width, height), (wide, high) = image, target
    new, old = (wide, width) if wide * height >= high * width else (high, height)
    if new * new * max(width, height) / old > MOST_PIXELS:
        raise ValueError(f"an image of {width} x {height} pixels is too long and thin to be resized")
    return new, old


def _central(mask: Image, shape: tuple[int, int], part: tuple[int, int]) -> Image:
    """Crop a central rectangle: of the largest one of that shape (width, height), a part such as 224 / 256."""
    (width, height), (wide, high), (kept, whole) = mask.size, shape, part
    if wide * height >= high * width:
        cut = max(1, width * kept // whole), max(1, width * high * kept // (wide * whole))
    else:
        cut = max(1, height * wide * kept // (high * whole)), max(1, height * kept // whole)
    left, top = (width - cut[0]) // 2, (height - cut[1]) // 2
    return mask.crop((left, top, left + cut[0], top + cut[1]))


def pixels(image: Image) -> NDArray[np.uint8]:
    """Return an image as RGB, uint8 (3, height, width)."""
    import numpy as np

    return np.ascontiguousarray(np.asarray(image.convert("RGB"), dtype=np.uint8).transpose(2, 0, 1))
