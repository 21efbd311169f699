"""Attention in 8 bits, for files that hold whole attention matrices."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 255


def quantise(attention: Tensor) -> tuple[Tensor, Tensor]:
    """Round every row of attention to 255 steps between 0 and its own maximum.

    A row with one large and many small values keeps the large one to 0.4 percent; no value is off by more than half a
    step, 1/510 of the maximum of its row.

    Args:
        attention: (..., T), at least 0.

    Returns:
        The steps, uint8 (..., T), and the maximum of each row, float32 (...); ``dequantise`` multiplies them.

    >>> steps, largest = quantise(torch.tensor([[0.5, 0.25, 0.0], [0.0, 0.0, 0.0]]))
    >>> steps.tolist(), largest.tolist()
    ([[255, 128, 0], [0, 0, 0]], [0.5, 0.0])
    """
    attention = attention.float()
    largest = attention.amax(dim=-1)
    steps = (attention / largest.clamp_min(torch.finfo(torch.float32).tiny)[..., None] * STEPS).round()
    return steps.to(torch.uint8), largest


def dequantise(steps: Tensor, largest: Tensor) -> Tensor:
    """Return float32 attention (..., T) from the results of ``quantise``.

    >>> dequantise(torch.tensor([255, 51, 0], dtype=torch.uint8), torch.tensor(0.5)).round(decimals=3)
    tensor([0.5000, 0.1000, 0.0000])
    """
    return steps.float() * (largest / STEPS)[..., None]
