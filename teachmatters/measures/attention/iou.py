"""The overlap of the patches that a head attends to with an object."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator

Reader: TypeAlias = Literal["cls", "spatial", "center"]


def attention_read(attention: Tensor, grid: tuple[int, int], reader: Reader) -> Tensor:
    """Return the attention of one reader on the patches, without prefix tokens.

    Args:
        attention: (B, H, T, T) softmax output, rows are queries; the class token comes first, the h w patches last.
        grid: rows and columns of patches, h and w.
        reader: ``cls``, the class token; ``spatial``, the sum over all patches; ``center``, the patch in the middle (of
            an even number of rows or columns the upper or left one).

    Returns:
        (B, H, h w), not renormalised.

    >>> stripes = torch.arange(25.0).view(1, 1, 5, 5)
    >>> [attention_read(stripes, (2, 2), reader)[0, 0].tolist() for reader in ("cls", "center")]
    [[1.0, 2.0, 3.0, 4.0], [6.0, 7.0, 8.0, 9.0]]
    """
    rows, columns = grid
    keys = attention[..., -rows * columns :]
    if reader == "cls":
        return keys[..., 0, :]
    if reader == "spatial":
        return keys[..., -rows * columns :, :].sum(dim=-2)
    middle = (rows - 1) // 2 * columns + (columns - 1) // 2
    return keys[..., middle - rows * columns, :]


def heaviest(weights: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """Find the smallest set of patches that holds a share of the weight.

    In ascending order, a patch is in once the running sum exceeds 1 - mass. Of equal weights, the later patch is taken
    first. Without any weight, the set is empty.

    Args:
        weights: (..., N), not negative.
        mass: above 0, at most 1.

    Returns:
        the set, bool (..., N); and whether a row has no weight, bool (...).

    Source:
        Caron et al. 2021, "Emerging properties in self-supervised vision transformers".

    >>> heaviest(torch.tensor([0.1, 0.5, 0.1, 0.3]), mass=0.6)[0].tolist()
    [False, True, False, True]
    """
    ascending = weights.to(accumulator(weights.device)).sort(dim=-1, stable=True)
    total = ascending.values.sum(dim=-1, keepdim=True)
    inside = ascending.values.cumsum(dim=-1) / total > 1 - mass  # 0 / 0 is NaN, which exceeds nothing
    return torch.zeros_like(inside).scatter_(-1, ascending.indices, inside), total[..., 0] <= 0


def iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Compute the intersection over union of sets of patches.

    Args:
        predicted: bool (..., N).
        truth: bool, broadcastable to it, not empty.

    Returns:
        (...), between 0 and 1, float64 where the device has it.

    >>> iou(torch.tensor([True, True, False, False]), torch.tensor([False, True, True, True])).item()
    0.25
    """
    wide = accumulator(predicted.device)
    return (predicted & truth).sum(dim=-1).to(wide) / (predicted | truth).sum(dim=-1).to(wide)


def expected_iou(predicted: Tensor, truth: int, patches: int) -> Tensor:
    """Compute the expected IoU of as many patches, drawn at random without replacement.

    The overlap i of k drawn patches with m true ones is hypergeometric, so the value is the sum over i of
    hypergeom(i; N, m, k) i / (m + k - i). It is 0 where nothing is predicted.

    Args:
        predicted: int64 (n,), k, the numbers of predicted patches.
        truth: m, the number of true patches, at least 1.
        patches: N, the number of all patches.

    Returns:
        float64 (n,), between 0 and 1.

    >>> round(expected_iou(torch.tensor([2]), 1, 4).item(), 4)  # a hit, worth a half, in half of the draws
    0.25
    """
    log_factorial = torch.arange(1, patches + 2, dtype=torch.float64).lgamma()

    def log_binomial(n: int, k: Tensor) -> Tensor:
        return log_factorial[n] - log_factorial[k] - log_factorial[n - k]

    k, overlap = predicted[:, None], torch.arange(1, truth + 1)
    missed = k - overlap
    possible = (missed >= 0) & (missed <= patches - truth)
    missed = missed.clamp(0, patches - truth)
    log_chance = log_binomial(truth, overlap) + log_binomial(patches - truth, missed) - log_binomial(patches, k)
    return torch.where(possible, log_chance.exp() * overlap / (truth + missed), 0.0).sum(dim=-1)
