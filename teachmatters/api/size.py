"""The image size in the name of a model: ``NAME@SIZE``."""

from __future__ import annotations

import re
from typing import TypeAlias

from teachmatters.errors import TeachMattersError

# Rows and columns of pixels.
Size: TypeAlias = tuple[int, int]

# The largest number of pixels of a side. A larger number is a typing error.
MOST = 9999


def split_size(name: str) -> tuple[str, Size | None]:
    """Split a model's name from its size.

    Returns:
        the name without the size, and the rows and columns of pixels, or None if the name has no size.

    Raises:
        TeachMattersError: the size has no pixels, or too many.

    >>> split_size("dinov2-s14@518"), split_size("timm/vit_small_patch16_224.dino@448x224")
    (('dinov2-s14', (518, 518)), ('timm/vit_small_patch16_224.dino', (448, 224)))
    >>> split_size("hf/run@best")
    ('hf/run@best', None)
    """
    found = re.fullmatch(r"(.+)@(\d+)(?:x(\d+))?", name)
    if found is None:
        return name, None
    rows, columns = int(found[2][:9]), int((found[3] or found[2])[:9])
    if not (0 < rows <= MOST and 0 < columns <= MOST):
        raise no_size(name)
    return found[1], (rows, columns)


def no_size(name: str) -> TeachMattersError:
    """Return the error for a name without a valid size after its '@'."""
    given = name.rpartition("@")[2]
    return TeachMattersError(f"{name}: {given!r} is not a size; write @384 for a square, @448x224 for rows x columns")


def check_size(name: str, size: Size, patch: int) -> None:
    """Raise an error if the size is not a whole number of patches.

    Raises:
        TeachMattersError: it is not; the message gives the two nearest sizes.

    >>> check_size("dinov2-s14@518", (518, 518), 14)
    """
    for side in size:
        if side % patch:
            below, above = side // patch * patch, -(-side // patch) * patch
            near = f"{below} and {above}" if below else f"{above} and {above + patch}"
            raise TeachMattersError(
                f"{name}: {side} is not a multiple of {patch}, the pixels of a patch; the nearest are {near}"
            )
