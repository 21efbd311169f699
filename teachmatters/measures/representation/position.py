"""The accuracy with which the position of a patch can be read from its token."""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.ridge import RidgeSums, determination, ridge

PENALTY = 1e-4


def grid_positions(grid: tuple[int, int]) -> Tensor:
    """Return the positions of patches, row by row: (h * w, 2), float64, x and y from -1 to 1.

    >>> grid_positions((1, 3)).tolist()
    [[-1.0, -1.0], [0.0, -1.0], [1.0, -1.0]]
    """
    y, x = (torch.linspace(-1, 1, length, dtype=torch.float64) for length in grid)
    return torch.stack([x.repeat(len(y)), y.repeat_interleave(len(x))], dim=1)


def position_r2(train: RidgeSums, test: RidgeSums) -> float:
    """Compute R^2 of the positions that ridge regression predicts, mean of x and y.

    Args:
        train: of tokens (n, D) and positions (n, 2), to fit.
        test: of other tokens, to predict.

    Returns:
        at most 1. An axis along which there is one patch is left out; NaN for a single patch.

    >>> position = grid_positions((2, 2))
    >>> round(position_r2(RidgeSums.of(position, position), RidgeSums.of(position, position)), 6)
    1.0
    """
    return float(determination(ridge(train, PENALTY), test).nanmean())
