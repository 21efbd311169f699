"""Matching of points between two images by their patch features."""

from __future__ import annotations

import functools
from typing import TypeAlias

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator

# For each pixel along one axis: the patch before it, the patch after it, and the share of the latter.
Blend: TypeAlias = tuple[Tensor, Tensor, Tensor]


def blend(pixels: Tensor, patches: int, patch_size: int) -> Blend:
    """Return the patches and weights of a bilinearly enlarged axis (half-pixel, align_corners=False).

    Args:
        pixels: int64 (N,), from 0 to patches x patch_size - 1.
        patches: the number of patches along the axis.
        patch_size: pixels per patch.

    Returns:
        indices (N,) and (N,), int64, and weights (N,), float64 where the device has it.

    >>> [part.tolist() for part in blend(torch.tensor([0, 3, 7]), 2, 4)]
    [[0, 0, 1], [1, 1, 1], [0.0, 0.375, 0.0]]
    """
    position = ((pixels.to(accumulator(pixels.device)) + 0.5) / patch_size - 0.5).clamp_(0, patches - 1)
    before = position.long()
    return before, (before + 1).clamp_(max=patches - 1), position - before


def sample(features: Tensor, which: Tensor, x: Tensor, y: Tensor, patch_size: int) -> Tensor:
    """Read bilinearly enlarged maps at some pixels, without enlarging the maps.

    Args:
        features: (M, h, w, D).
        which: int64 (K,), the map of each pixel.
        x: int64 (K,), columns, from 0 to w patch_size - 1; all on the device of the features.
        y: int64 (K,), rows, from 0 to h patch_size - 1.
        patch_size: pixels per patch.

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
    """Find the pixel with the largest value of each bilinearly enlarged map.

    Of equal values, the first in row-major order counts.

    Enlarging a map of dot products gives the dot products with the enlarged features. Between the centres of four
    patches, the map is linear along each axis, so its largest value is at a corner of the pixels there. Only these
    corners are compared.

    Args:
        dots: (K, h, w), any float.
        patch_size: pixels per patch.

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
        # low + share x (high - low) is exact where both are equal, so ties remain ties.
        values = low + share.to(values.dtype).view([-1 if each == axis else 1 for each in range(3)]) * (high - low)
    best = values.flatten(1).argmax(dim=1)
    return torch.stack([columns[best % len(columns)], rows[best // len(columns)]], dim=1)


@functools.lru_cache(maxsize=64)
def corners(patches: int, patch_size: int, device: torch.device) -> Tensor:
    """Return the first and last pixel between adjacent patch centres along an axis, and the first outside at each end.

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
