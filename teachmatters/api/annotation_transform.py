"""Transforms of annotations, which follow the transform of their image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.api.annotation import Box, IndexMask, Mask, Points, SemanticMask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Annotations: TypeAlias = Mapping[str, Mapping[str, Any]]

# The values of PIL.Image.Resampling, repeated here so that reading a spec does not import PIL.
NEAREST, LANCZOS, BILINEAR, BICUBIC = 0, 1, 2, 3


def unchanged(mask: Image, resampling: int) -> Image:
    """Return the mask. A step that only moves positions does not change masks."""
    return mask


def untouched(mask: Image) -> Image:
    """Return the semantic mask, as ``unchanged`` does."""
    return mask


@dataclass(frozen=True, slots=True)
class AnnotationTransform:
    """The effect of one step of a transform on annotations.

    Attributes:
        scale, shift: the position (x, y) goes to (x, y) * scale + shift.
        mask: returns the moved mask, from the mask as a grey image and the resampling that suits it.
        semantic: returns a semantic mask at the size of the input, from the mask as a grey image.

    >>> AnnotationTransform((0.5, 0.25), (-10, 0))({"pairs": {"box": Box(40, 20, 80, 60), "name": "cat"}})
    {'pairs': {'box': Box(left=10.0, top=5.0, right=30.0, bottom=15.0), 'name': 'cat'}}
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)
    mask: Callable[[Image, int], Image] = unchanged
    semantic: Callable[[Image], Image] = untouched

    def __call__(self, annotations: Annotations) -> dict[str, dict[str, Any]]:
        """Return the annotations by kind and name, with those of the types above moved, also inside tuples."""
        return {
            kind: {name: self._moved(value) for name, value in named.items()} for kind, named in annotations.items()
        }

    def _moved(self, value: Any) -> Any:
        if isinstance(value, Mask):
            return Mask(_raster(value.pixels, lambda mask: self.mask(mask, BICUBIC)), value.label)
        if isinstance(value, IndexMask):  # the numbers of objects cannot be interpolated
            return IndexMask(_raster(value.pixels, lambda mask: self.mask(mask, NEAREST)))
        if isinstance(value, SemanticMask):
            return SemanticMask(_raster(value.pixels, self.semantic))
        if isinstance(value, Points):
            return Points(value.xy * self.scale + self.shift)
        if isinstance(value, Box):
            (a, b), (x, y) = self.scale, self.shift
            return Box(value.left * a + x, value.top * b + y, value.right * a + x, value.bottom * b + y)
        return tuple(map(self._moved, value)) if type(value) is tuple else value


def _raster(pixels: NDArray[np.uint8], move: Callable[[Image], Image]) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    return np.array(move(Image.fromarray(pixels)), dtype=np.uint8)
