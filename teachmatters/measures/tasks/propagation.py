"""Propagation of labels from frame to frame by the similarity of patches."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate


def propagate(
    frame: Tensor, context: Tensor, labels: Tensor, grid: tuple[int, int], radius: int, top: int, temperature: float
) -> Tensor:
    """Compute the soft labels of a frame from those of the frames before it.

    Each patch averages the labels of the patches most similar to it, with weights exp(cosine / temperature) divided by
    their sum. Only patches at most ``radius`` rows and columns away count, and only the ``top`` largest weights over
    all context frames, with all that equal the smallest of these.

    Args:
        frame: (h w, D), L2-normalised.
        context: (frames, h w, D), L2-normalised, on the same device.
        labels: (frames, h w, C), soft labels of the context.
        grid: h and w; fastest if h is the longer side.
        radius: in patches, inclusive.
        top: the number of weights, at least 1.
        temperature: above 0.

    Returns:
        (h w, C), with the same row sums as the labels.

    Source:
        Jabri et al. 2020, "Space-time correspondence as a contrastive random walk"; Caron et al. 2021.

    >>> patches = torch.eye(4)
    >>> propagate(patches, patches[None], torch.tensor([[[1.0], [0], [0], [0]]]), (2, 2), 1, 1, 0.1)[:, 0].tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    rows, columns = grid
    step = 8 if frame.device.type == "cpu" else 64  # small enough for the cache of a CPU, or large enough for few calls
    carried = []
    for start in range(0, rows, step):
        end, low, high = min(start + step, rows), max(start - radius, 0), min(start + step + radius, rows)
        near = slice(low * columns, high * columns)
        cosine = torch.matmul(frame[start * columns : end * columns], context[:, near].transpose(1, 2))
        cosine += _far((start, end), (low, high), columns, radius, frame.device)
        carried.append(_carry(cosine, labels[:, near], top, temperature))
    return torch.cat(carried)


@functools.lru_cache(maxsize=256)
def _far(mine: tuple[int, int], theirs: tuple[int, int], columns: int, radius: int, device: torch.device) -> Tensor:
    """Return (patches, patches): 0 where two patches are near enough, minus infinity elsewhere."""
    own, other = (torch.arange(low, high, device=device) for low, high in (mine, theirs))
    across = torch.arange(columns, device=device)
    rows = (own[:, None] - other[None]).abs() <= radius
    columns_near = (across[:, None] - across[None]).abs() <= radius
    near = (rows[:, None, :, None] & columns_near[None, :, None, :]).flatten(2).flatten(0, 1)
    return torch.zeros(near.shape, device=device).masked_fill_(~near, -torch.inf)


def _carry(cosine: Tensor, labels: Tensor, top: int, temperature: float) -> Tensor:
    """Return (patches, C), from cosines (frames, patches, places) and labels (frames, places, C)."""
    frames, _, places = cosine.shape
    # The largest few over all frames are at the places that are largest in some frame. One more reveals a tie.
    place = cosine.amax(dim=0).topk(min(top + 1, places), dim=1).indices
    found = cosine.gather(2, place.expand(frames, -1, -1))
    index = place + places * torch.arange(frames, device=place.device)[:, None, None]
    found, index = (each.transpose(0, 1).flatten(1) for each in (found, index))
    best, order = found.topk(min(top + 1, found.shape[1]), dim=1)
    weight = ((best[:, :top] - best[:, :1]) / temperature).exp_()
    taken = labels.flatten(0, 1)[index.gather(1, order[:, :top])]
    carried = (weight[..., None] * taken).sum(dim=1) / weight.sum(dim=1, keepdim=True)
    if best.shape[1] > top and (tied := best[:, top] == best[:, top - 1]).any():
        carried[tied] = _carry_ties(cosine[:, tied], labels, best[tied, top - 1], temperature)
    return carried


def _carry_ties(cosine: Tensor, labels: Tensor, least: Tensor, temperature: float) -> Tensor:
    """Return the same from everything that reaches the least cosine. It is rare, so it may compare every place."""
    weight = ((cosine - cosine.amax(dim=(0, 2))[:, None]) / temperature).exp_()
    weight *= cosine >= least[:, None]
    return torch.einsum("mts,msc->tc", weight, labels) / weight.sum(dim=(0, 2))[:, None]


def object_numbers(labels: Tensor, patch_size: int, size: tuple[int, int]) -> Tensor:
    """Return the object of each pixel of a frame.

    The labels are enlarged bilinearly by the patch size. Each channel with a positive maximum is scaled to 0..1. The
    largest channel wins, of equal ones the first. Nearest neighbour brings the result to the frame's size.

    Args:
        labels: (C, h, w), the background first.
        patch_size: pixels per patch.
        size: height and width of the frame.

    Returns:
        uint8 (height, width), 0 to C - 1.
    """
    large = interpolate(labels[None], scale_factor=patch_size, mode="bilinear", align_corners=False)[0]
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    stretched = (large - low) / (high - low)
    # A constant channel cannot be scaled.
    large = torch.where((high > 0) & (high > low), stretched, large)
    rows, columns = (nearest(old, new).to(large.device) for old, new in zip(large.shape[1:], size, strict=True))
    return _first_largest(large).index_select(1, columns).index_select(0, rows)


def _first_largest(planes: Tensor) -> Tensor:
    """Return planes.argmax(dim=0) as uint8, plane by plane, which is many times faster."""
    best, number = planes[0], torch.zeros(planes.shape[1:], dtype=torch.uint8, device=planes.device)
    for other in range(1, len(planes)):
        number.masked_fill_(planes[other] > best, other)
        best = torch.maximum(best, planes[other])
    return number


@functools.lru_cache(maxsize=64)
def nearest(old: int, new: int) -> Tensor:
    """Return the index in ``old`` pixels of each of ``new`` pixels, as in PIL's nearest neighbour.

    >>> nearest(2, 5).tolist()
    [0, 0, 1, 1, 1]
    """
    from PIL import Image

    ramp = Image.fromarray(np.arange(old, dtype=np.int32)[None])
    return torch.from_numpy(np.array(ramp.resize((new, 1), Image.Resampling.NEAREST))[0].astype(np.int64))
