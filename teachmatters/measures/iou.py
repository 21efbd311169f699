"""How well what a head attends to covers an object."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator

Reader: TypeAlias = Literal["cls", "spatial", "center"]


def attention_read(attention: Tensor, grid: tuple[int, int], reader: Reader) -> Tensor:
    """What one reader gives to the patches, prefix tokens left aside.

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
    """The smallest set of patches that holds a share of the weight.

    In ascending order a patch is in as soon as the sum so far exceeds 1 - mass; of equal weights the later patch is
    taken first. Where there is no weight at all the set is empty.

    Args:
        weights: (..., N), not negative.
        mass: above 0, at most 1.

    Returns:
        bool (..., N); and whether a row has no weight, bool (...).

    Source:
        Caron et al. 2021, "Emerging properties in self-supervised vision transformers".

    >>> heaviest(torch.tensor([0.1, 0.5, 0.1, 0.3]), mass=0.6)[0].tolist()
    [False, True, False, True]
    """
    ascending = weights.to(accumulator(weights.device)).sort(dim=-1, stable=True)
    total = ascending.values.sum(dim=-1, keepdim=True)
    inside = ascending.values.cumsum(dim=-1) / total > 1 - mass  # nothing divided by nothing exceeds nothing
    return torch.zeros_like(inside).scatter_(-1, ascending.indices, inside), total[..., 0] <= 0


def iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of sets of patches.

    Args:
        predicted: bool (..., N).
        truth: bool, broadcastable to it; never empty.

    Returns:
        (...), between 0 and 1, float64 where the device has it.

    >>> iou(torch.tensor([True, True, False, False]), torch.tensor([False, True, True, True])).item()
    0.25
    """
    wide = accumulator(predicted.device)
    return (predicted & truth).sum(dim=-1).to(wide) / (predicted | truth).sum(dim=-1).to(wide)
