"""The scores of the official DAVIS evaluation for masks of an object: region J and boundary F."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from teachmatters.measures.moments import accumulator

# The radius in which boundaries match, as a share of the image's diagonal.
TOLERANCE = 0.008


def region_similarity(predicted: Tensor, truth: Tensor) -> Tensor:
    """Compute the intersection over union of masks.

    Args:
        predicted: (N, H, W) bool.
        truth: (H, W) bool.

    Returns:
        (N,) between 0 and 1; 1 where both are empty.

    Source:
        Perazzi et al. 2016, "A benchmark dataset and evaluation methodology for video object segmentation".

    >>> region_similarity(torch.tensor([[[True, True]], [[False, False]]]), torch.tensor([[True, False]])).tolist()
    [0.5, 0.0]
    """
    wide = accumulator(predicted.device)
    both, either = _areas(predicted & truth).to(wide), _areas(predicted | truth).to(wide)
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def _areas(masks: Tensor) -> Tensor:
    """Count the pixels of each mask; counting along an axis would be ten times slower."""
    return torch.stack([mask.count_nonzero() for mask in masks])


def boundary_similarity(predicted: Tensor, truth: Tensor) -> Tensor:
    """Compute the F measure of boundary pixels: the harmonic mean of precision and recall within a tolerance.

    A boundary pixel counts as found when the other boundary comes within a disk of ceil(0.008 x diagonal) pixels.

    Args:
        predicted: (N, H, W) bool.
        truth: (H, W) bool.

    Returns:
        (N,) between 0 and 1; 1 where both boundaries are empty, 0 where one is.

    Source:
        Perazzi et al. 2016; Martin et al. 2004.
    """
    radius = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    edges, truth_edges = boundaries(predicted), boundaries(truth[None])[0]
    which, y, x = edges.nonzero(as_tuple=True)
    count, wide = len(predicted), accumulator(predicted.device)
    own = torch.bincount(which, minlength=count).to(wide)
    if not truth_edges.any():
        return torch.where(own == 0, 1.0, 0.0).to(wide)
    found = which[_near(truth_edges[None], torch.zeros_like(which), y, x, radius)]
    precision = torch.bincount(found, minlength=count).to(wide) / own.clamp(min=1)
    recall = _recall(edges, truth_edges, radius)
    return 2 * precision * recall / (precision + recall).clamp(min=torch.finfo(wide).tiny)


def _recall(edges: Tensor, truth: Tensor, radius: int) -> Tensor:
    """Compute the share of true boundary pixels (H, W) near a pixel of each of the edges (N, H, W)."""
    y, x = truth.nonzero(as_tuple=True)
    # Only pixels around the true boundary can be near it.
    top, left = (max(int(each.min()) - radius, 0) for each in (y, x))
    around = edges[:, top : int(y.max()) + radius + 1, left : int(x.max()) + radius + 1]
    which = torch.arange(len(edges), device=edges.device).repeat_interleave(len(y))
    found = _near(around, which, (y - top).repeat(len(edges)), (x - left).repeat(len(edges)), radius)
    return found.reshape(len(edges), -1).to(accumulator(edges.device)).mean(dim=1)


def boundaries(masks: Tensor) -> Tensor:
    """Find the pixels that differ from their right, lower or lower-right neighbour: (N, H, W) bool -> the same.

    In the last row only the right neighbour counts, in the last column only the lower one.

    >>> boundaries(torch.tensor([[[False, False, False], [False, True, False], [False, False, False]]])).int()[0]
    tensor([[1, 1, 0],
            [1, 1, 0],
            [0, 0, 0]], dtype=torch.int32)
    """
    edges = torch.zeros_like(masks)
    edges[:, :, :-1] |= masks[:, :, :-1] ^ masks[:, :, 1:]
    edges[:, :-1] |= masks[:, :-1] ^ masks[:, 1:]
    edges[:, :-1, :-1] |= masks[:, :-1, :-1] ^ masks[:, 1:, 1:]
    return edges


def _near(edges: Tensor, which: Tensor, y: Tensor, x: Tensor, radius: int) -> Tensor:
    """Return whether a disk around each point contains a pixel of the edges.

    A disk is a run of pixels in each of its rows, and the difference of two running sums shows whether a run contains
    any. That takes 2 (2 radius + 1) look-ups per point, and no dilation of images.

    Args:
        edges: (N, H, W) bool.
        which: int64 (K,), the image of each point.
        y: int64 (K,), the row of each point.
        x: int64 (K,), the column of each point.
        radius: in pixels.
    """
    sums = pad(edges.to(torch.int32), (radius + 1, radius, radius, radius)).cumsum(dim=2, dtype=torch.int32)
    _, height, width = sums.shape
    right, left = _runs(radius, width)
    centre = (which * height + y + radius) * width + x + radius + 1
    flat = sums.flatten()
    found = torch.zeros_like(which, dtype=torch.bool)
    for after, before in zip(right, left, strict=True):
        found |= flat[centre + after] > flat[centre + before]
    return found


@functools.lru_cache(maxsize=16)
def _runs(radius: int, width: int) -> tuple[list[int], list[int]]:
    """Return the offsets, at this width, to the last pixel of each row of a disk and to the pixel before its first."""
    rows = range(-radius, radius + 1)
    half = [math.isqrt(radius * radius - row * row) for row in rows]
    return [r * width + h for r, h in zip(rows, half, strict=True)], [
        r * width - h - 1 for r, h in zip(rows, half, strict=True)
    ]
