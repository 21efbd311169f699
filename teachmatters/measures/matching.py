"""Where in one image is what lies at a point of another, by the patch features of both."""

from __future__ import annotations

import functools
from typing import TypeAlias

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator

# For each pixel along one axis: the patch before it, the patch after it, and the share of the latter.
Blend: TypeAlias = tuple[Tensor, Tensor, Tensor]


def blend(pixels: Tensor, patches: int, patch_size: int) -> Blend:
    """How a bilinearly enlarged axis (half-pixel, align_corners=False) is made of its patches.

    Args:
        pixels: int64 (N,), from 0 to patches x patch_size - 1.
        patches: along the axis.
        patch_size: pixels a patch.

    Returns:
        indices (N,) and (N,), int64, and weights (N,), float64 where the device has it.

    >>> [part.tolist() for part in blend(torch.tensor([0, 3, 7]), 2, 4)]
    [[0, 0, 1], [1, 1, 1], [0.0, 0.375, 0.0]]
    """
    position = ((pixels.to(accumulator(pixels.device)) + 0.5) / patch_size - 0.5).clamp_(0, patches - 1)
    before = position.long()
    return before, (before + 1).clamp_(max=patches - 1), position - before


def sample(features: Tensor, which: Tensor, x: Tensor, y: Tensor, patch_size: int) -> Tensor:
    """Bilinearly enlarged maps read at some pixels, without enlarging them.

    Args:
        features: (M, h, w, D).
        which: int64 (K,), the map that each pixel is of.
        x: int64 (K,), columns, from 0 to w patch_size - 1; all on the device of the features.
        y: int64 (K,), rows, likewise.
        patch_size: pixels a patch.

    Returns:
        (K, D), in the features' dtype.
    """
    above, below, down = blend(y, features.shape[1], patch_size)
    left, right, across = blend(x, features.shape[2], patch_size)
    down, across = (share.to(features.dtype)[:, None] for share in (down, across))
    top = torch.lerp(features[which, above, left], features[which, above, right], across)
    bottom = torch.lerp(features[which, below, left], features[which, below, right], across)
    return torch.lerp(top, bottom, down)


def best_pixels(dots: Tensor, patch_size: int) -> Tensor:
    """The pixel with the largest value of each bilinearly enlarged map; of equal ones the first in row-major order.

    The enlarged map of dot products is the map of dot products with the enlarged features. Between the centres of four
    patches it is linear along either axis, so its largest value lies at a corner of the pixels there: only those are
    looked at.

    Args:
        dots: (K, h, w), any float.
        patch_size: pixels a patch.

    Returns:
        int64 (K, 2): x and y.

    >>> best_pixels(torch.tensor([[[0.0, 0.0], [0.0, 1.0]]]), patch_size=4).tolist()
    [[6, 6]]
    """
    rows, columns = (corners(length, patch_size, dots.device) for length in dots.shape[1:])
    values = dots.to(accumulator(dots.device))
    for axis, pixels in ((1, rows), (2, columns)):
        before, after, share = blend(pixels, dots.shape[axis], patch_size)
        low, high = values.index_select(axis, before), values.index_select(axis, after)
        # low + share x (high - low) is exact where both are equal, so that ties stay ties
        values = low + share.to(values.dtype).view([-1 if each == axis else 1 for each in range(3)]) * (high - low)
    best = values.flatten(1).argmax(dim=1)
    return torch.stack([columns[best % len(columns)], rows[best // len(columns)]], dim=1)


@functools.lru_cache(maxsize=64)
def corners(patches: int, patch_size: int, device: torch.device) -> Tensor:
    """First and last pixel between each two centres of patches along an axis, and the first outside at either end.

    >>> corners(2, 4, torch.device("cpu")).tolist()
    [0, 2, 5, 6]
    """
    pixels = torch.arange(patches * patch_size)
    cell = ((2 * pixels + 1 - patch_size) / (2 * patch_size)).floor().long()
    first = torch.ones_like(pixels, dtype=torch.bool)
    first[1:] = cell[1:] != cell[:-1]
    last = torch.ones_like(first)
    last[:-1] = first[1:]
    inside = (cell >= 0) & (cell < patches - 1)
    return pixels[first | (last & inside)].to(device)
