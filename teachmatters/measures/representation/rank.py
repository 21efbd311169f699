"""The effective rank: the number of directions that features use."""

from __future__ import annotations

import math

import torch

from teachmatters.measures.moments import ScatterMatrix


def effective_rank(scatter: ScatterMatrix) -> float | None:
    """Compute the exponential of the entropy of the singular values of centred features.

    The singular values are the roots of the eigenvalues of X' X, so values below about 4e-7 of the largest are lost to
    rounding and count as 0. The result agrees with numpy.linalg.svd of X in float64 to a relative 1e-6; the rounding
    of float32 features changes it more.

    Args:
        scatter: the scatter matrix of X, (n, D).

    Returns:
        1 (one direction) to min(n - 1, D) (all directions equal); None when nothing varies.

    Source:
        Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality".

    >>> square = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(effective_rank(ScatterMatrix.of(square)), 6)
    2.0
    """
    if not scatter.varies:
        return None
    squares = torch.linalg.eigvalsh(scatter.products.double())
    squares = squares[squares > len(squares) * torch.finfo(torch.float64).eps * squares[-1]]
    share = squares.sqrt() / squares.sqrt().sum()
    return math.exp(-float((share * share.log()).sum()))
