"""The size of the images in the name of a model: ``NAME@SIZE``."""

from __future__ import annotations

import re
from typing import TypeAlias

from teachmatters.errors import TeachMattersError

Size: TypeAlias = tuple[int, int]
"""Rows and columns of pixels."""

MOST = 9999
"""Pixels of a side; more is a slip of the hand."""


def split_size(name: str) -> tuple[str, Size | None]:
    """Split a model's name from the size behind it.

    Returns:
        the name without the size, and rows and columns of pixels; None where no size is given.

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
    """Return the error for a name with something else than a size behind its '@'."""
    given = name.rpartition("@")[2]
    return TeachMattersError(f"{name}: {given!r} is no size; write @384 for a square, @448x224 for rows x columns")


def check_size(name: str, size: Size, patch: int) -> None:
    """Refuse a size that no whole number of patches covers.

    Raises:
        TeachMattersError: it is one; names the two nearest.

    >>> check_size("dinov2-s14@518", (518, 518), 14)
    """
    for side in size:
        if side % patch:
            below, above = side // patch * patch, -(-side // patch) * patch
            near = f"{below} and {above}" if below else f"{above} and {above + patch}"
            raise TeachMattersError(
                f"{name}: {side} is not a multiple of {patch}, the pixels of a patch; the nearest are {near}"
            )
