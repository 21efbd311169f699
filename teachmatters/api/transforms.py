"""The other transforms: Dense, Stretch, Pad and ThumbnailCrop."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Literal

from teachmatters.api.annotation import VOID, Box
from teachmatters.api.annotation_transform import BICUBIC, BILINEAR, LANCZOS, NEAREST, Annotations, AnnotationTransform
from teachmatters.api.transform import MOST_PIXELS, Crop, Transform, TransformedImage, covering, pixels
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from teachmatters.api.model import ModelInfo


@dataclass(frozen=True, slots=True)
class Dense(Transform):
    """The whole image with its short side at twice the model's size S, in windows of S x S.

    The image is resized (bicubic) so that its short side is 2S and its long side is floored to whole patches. Windows
    go from the top left, row by row; the last ones are shifted back inside. A patch belongs to the first window that
    covers it. Masks are resized to the item's grid (bicubic; IndexMask nearest). For a model with rectangular inputs,
    the image covers two of them each way.
    """

    def apply(self, image: Image, annotations: Annotations, model: ModelInfo) -> TransformedImage:
        """See Transform.apply.

        Raises:
            TeachMattersError: the model's patches do not tile its input.
        """
        (high, wide), patch, (width, height) = model.input_size, model.patch_size, image.size
        if (high, wide) != (model.grid[0] * patch, model.grid[1] * patch):
            raise TeachMattersError(
                f"dense features need inputs of whole patches; this model's {wide} x {high} pixels are "
                f"not a multiple of its {patch}; use the resolution crop or resized."
            )
        new, old = covering(image.size, (2 * wide, 2 * high))
        columns, rows = new * width // (old * patch), new * height // (old * patch)
        large = pixels(image.resize((columns * patch, rows * patch), BICUBIC))
        move = AnnotationTransform(
            (columns * patch / width, rows * patch / height),
            mask=lambda mask, resampling: mask.resize((columns, rows), resampling),
            semantic=lambda mask: mask.resize((columns * patch, rows * patch), NEAREST),
        )
        return TransformedImage(*_windows(large, (rows, columns), model), annotations=move(annotations))


def _windows(
    large: NDArray[np.uint8], grid: tuple[int, int], model: ModelInfo
) -> tuple[NDArray[np.uint8], tuple[int, int], NDArray[np.int64]]:
    """Return the windows of uint8 (3, height, width), the grid, and the position in it of each window's patches."""
    import numpy as np

    (rows, columns), patch = model.grid, model.patch_size
    free = np.arange(grid[0] * grid[1], dtype=np.int64).reshape(grid)
    inputs, patches = [], []
    for top, left in product(_starts(grid[0], rows), _starts(grid[1], columns)):
        y, x = top * patch, left * patch
        inputs.append(large[:, y : y + rows * patch, x : x + columns * patch])
        here = free[top : top + rows, left : left + columns]
        patches.append(here.flatten())
        here[:] = -1
    return np.stack(inputs), grid, np.stack(patches)


def _starts(length: int, window: int) -> list[int]:
    """Return the positions where windows begin.

    >>> _starts(8, 4), _starts(10, 4)
    ([0, 4], [0, 4, 6])
    """
    return [*range(0, length - window, window), length - window]


@dataclass(frozen=True, slots=True)
class Stretch(Transform):
    """The whole image, resized to the model's input without keeping its aspect ratio; masks to the grid.

    Attributes:
        filter: the filter that resizes the image. Masks are resized as by Crop.
    """

    inputs: ClassVar[int | None] = 1

    filter: Literal["bicubic", "bilinear"] = "bicubic"

    def apply(self, image: Image, annotations: Annotations, model: ModelInfo) -> TransformedImage:
        """See Transform.apply."""
        (high, wide), (rows, columns) = model.input_size, model.grid
        move = AnnotationTransform(
            (wide / image.width, high / image.height),
            mask=lambda mask, resampling: mask.resize((columns, rows), resampling),
            semantic=lambda mask: mask.resize((wide, high), NEAREST),
        )
        small = image.resize((wide, high), BILINEAR if self.filter == "bilinear" else BICUBIC)
        return TransformedImage(pixels(small)[None], model.grid, None, move(annotations))


@dataclass(frozen=True, slots=True)
class Pad(Transform):
    """The whole image, its long side at the model's size (Lanczos; the other side rounded), centred on black.

    The offset is floored. Positions are scaled by the long side's exact ratio both ways, as SPair's code does, although
    the other side is rounded. A rectangular input is filled one way and padded the other way.
    """

    inputs: ClassVar[int | None] = 1

    def apply(self, image: Image, annotations: Annotations, model: ModelInfo) -> TransformedImage:
        """See Transform.apply."""
        from PIL import Image

        (high, wide), (width, height) = model.input_size, image.size
        new, old = (high, height) if wide * height >= high * width else (wide, width)
        size = max(1, round(new * width / old)), max(1, round(new * height / old))
        offset = (wide - size[0]) // 2, (high - size[1]) // 2

        def padded(image: Image.Image, resampling: int, ground: int = 0) -> Image.Image:
            canvas = Image.new(image.mode, (wide, high), ground)
            canvas.paste(image.resize(size, resampling), offset)
            return canvas

        def mask_on_grid(mask: Image.Image, resampling: int) -> Image.Image:
            return padded(mask, resampling).resize((model.grid[1], model.grid[0]), resampling)

        def semantic(mask: Image.Image) -> Image.Image:
            return padded(mask, NEAREST, VOID)

        move = AnnotationTransform((new / old, new / old), offset, mask_on_grid, semantic)
        return TransformedImage(pixels(padded(image, LANCZOS))[None], model.grid, None, move(annotations))


@dataclass(frozen=True, slots=True)
class ThumbnailCrop(Transform):
    """The image reduced to fit the model's input (PIL's thumbnail, Lanczos), then cropped as by Crop.

    Attributes:
        crop_to_box: whether to crop an item to its Box of kind ``retrieval`` first, as the official evaluation does
            with queries. The edges of the box are rounded to pixels; outside of the image it is black. An item without
            a box stays whole.
    """

    inputs: ClassVar[int | None] = 1

    crop_to_box: bool = False

    def apply(self, image: Image, annotations: Annotations, model: ModelInfo) -> TransformedImage:
        """See Transform.apply."""
        from PIL.Image import Resampling

        box = annotations.get("retrieval", {}).get("box")
        if self.crop_to_box and box is not None:
            image, annotations = _cut(image, annotations, box)
        # Decode a copy: a lazily opened JPEG would be decoded at a reduced size, which gives other pixels.
        small = image.copy()
        small.thumbnail((model.input_size[1], model.input_size[0]), Resampling.LANCZOS)
        move = AnnotationTransform((small.width / image.width, small.height / image.height))
        return Crop().apply(small, move(annotations), model)


def _cut(image: Image, annotations: Annotations, box: Box) -> tuple[Image, Annotations]:
    edges = left, top, right, bottom = round(box.left), round(box.top), round(box.right), round(box.bottom)
    if right <= left or bottom <= top or (right - left) * (bottom - top) > MOST_PIXELS:
        raise ValueError(f"a box of {right - left} x {bottom - top} pixels cannot be cut out")

    def semantic(mask: Image) -> Image:
        canvas = mask.resize((right - left, bottom - top))
        canvas.paste(VOID, (0, 0, *canvas.size))
        canvas.paste(mask, (-left, -top))
        return canvas

    move = AnnotationTransform(shift=(-left, -top), mask=lambda mask, _: mask.crop(edges), semantic=semantic)
    return image.crop(edges), move(annotations)
