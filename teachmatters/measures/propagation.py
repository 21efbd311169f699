"""Labels carried from frame to frame by the likeness of patches."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate


def propagate(
    frame: Tensor, context: Tensor, labels: Tensor, grid: tuple[int, int], radius: int, top: int, temperature: float
) -> Tensor:
    """Soft labels of a frame, from those of the frames before it.

    Each patch takes the labels of the patches that are most like it: weight exp(cosine / temperature), only at most
    ``radius`` rows and columns away, only the ``top`` largest weights over all context frames (equal ones with them),
    divided by their sum.

    Args:
        frame: (h w, D), L2-normalised.
        context: (frames, h w, D), L2-normalised, on the same device.
        labels: (frames, h w, C), soft labels of the context.
        grid: h and w; it is quickest with h the longer side.
        radius: in patches, inclusive.
        top: at least 1.
        temperature: above 0.

    Returns:
        (h w, C), rows summing to what the labels' rows sum to.

    Source:
        Jabri et al. 2020, "Space-time correspondence as a contrastive random walk"; Caron et al. 2021.

    >>> patches = torch.eye(4)
    >>> propagate(patches, patches[None], torch.tensor([[[1.0], [0], [0], [0]]]), (2, 2), 1, 1, 0.1)[:, 0].tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    rows, columns = grid
    step = 8 if frame.device.type == "cpu" else 64  # small enough for a processor's cache, or few calls
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
    """(patches, patches): 0 where two patches are near enough, minus infinity elsewhere."""
    own, other = (torch.arange(low, high, device=device) for low, high in (mine, theirs))
    across = torch.arange(columns, device=device)
    rows = (own[:, None] - other[None]).abs() <= radius
    columns_near = (across[:, None] - across[None]).abs() <= radius
    near = (rows[:, None, :, None] & columns_near[None, :, None, :]).flatten(2).flatten(0, 1)
    return torch.zeros(near.shape, device=device).masked_fill_(~near, -torch.inf)


def _carry(cosine: Tensor, labels: Tensor, top: int, temperature: float) -> Tensor:
    """(patches, C) from cosines (frames, patches, places) and labels (frames, places, C)."""
    frames, _, places = cosine.shape
    # The largest few over all frames lie at the places that are largest in some frame; one more shows a tie.
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
    """The same with everything that reaches the least cosine taken; rare, so that it may look at every place."""
    weight = ((cosine - cosine.amax(dim=(0, 2))[:, None]) / temperature).exp_()
    weight *= cosine >= least[:, None]
    return torch.einsum("mts,msc->tc", weight, labels) / weight.sum(dim=(0, 2))[:, None]


def object_numbers(labels: Tensor, patch_size: int, size: tuple[int, int]) -> Tensor:
    """Which object each pixel of a frame belongs to.

    The labels are enlarged bilinearly by the patch size; each channel with a positive maximum is shifted and stretched
    to 0..1; the largest channel wins, of equal ones the first; nearest neighbour brings them to the frame's size.

    Args:
        labels: (C, h, w), the background first.
        patch_size: pixels a patch.
        size: height and width of the frame.

    Returns:
        uint8 (height, width), 0 to C - 1.
    """
    large = interpolate(labels[None], scale_factor=patch_size, mode="bilinear", align_corners=False)[0]
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    stretched = (large - low) / (high - low)
    # A channel that is the same everywhere has nothing to stretch.
    large = torch.where((high > 0) & (high > low), stretched, large)
    rows, columns = (nearest(old, new).to(large.device) for old, new in zip(large.shape[1:], size, strict=True))
    return _first_largest(large).index_select(1, columns).index_select(0, rows)


def _first_largest(planes: Tensor) -> Tensor:
    """planes.argmax(dim=0) as uint8, plane by plane, which is many times quicker."""
    best, number = planes[0], torch.zeros(planes.shape[1:], dtype=torch.uint8, device=planes.device)
    for other in range(1, len(planes)):
        number.masked_fill_(planes[other] > best, other)
        best = torch.maximum(best, planes[other])
    return number


@functools.lru_cache(maxsize=64)
def nearest(old: int, new: int) -> Tensor:
    """Which of ``old`` pixels each of ``new`` takes its value from, as PIL's nearest neighbour does.

    >>> nearest(2, 5).tolist()
    [0, 0, 1, 1, 1]
    """
    from PIL import Image

    ramp = Image.fromarray(np.arange(old, dtype=np.int32)[None])
    return torch.from_numpy(np.array(ramp.resize((new, 1), Image.Resampling.NEAREST))[0].astype(np.int64))
