"""How many directions features use: the effective rank."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.measures.cka import ROUNDING
from teachmatters.measures.moments import accumulator


@dataclass(frozen=True, slots=True)
class ScatterMatrix:
    """Count, mean (D,) and centred sums of products (D, D) of vectors that come in batches.

    >>> a, b = ScatterMatrix.of(torch.tensor([[1.0], [2.0]])), ScatterMatrix.of(torch.tensor([[6.0]]))
    >>> joined = a + b
    >>> joined.count, joined.mean.tolist(), joined.products.tolist()
    (3, [3.0], [[14.0]])
    """

    count: int
    mean: Tensor
    products: Tensor

    @classmethod
    def of(cls, values: Tensor) -> ScatterMatrix:
        """Of (n, D), n >= 1, in float64 where the device has it."""
        values = values.to(accumulator(values.device))
        mean = values.mean(dim=0)
        values = values - mean
        return cls(values.shape[0], mean, values.T @ values)

    def __add__(self, other: ScatterMatrix) -> ScatterMatrix:
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        shift = torch.outer(delta, delta) * (self.count * other.count / count)
        return ScatterMatrix(count, mean, self.products + other.products + shift)


def effective_rank(scatter: ScatterMatrix) -> float | None:
    """The exponential of the entropy of the singular values of centred features.

    The singular values are the roots of the eigenvalues of X' X, so what is smaller than about 4e-7 of the largest is
    lost in rounding and counts as 0. Against numpy.linalg.svd of X in float64 the result agrees to 1e-6 of itself;
    rounding of features that were computed in float32 changes it more.

    Args:
        scatter: of X, (n, D).

    Returns:
        1 (all in one direction) to min(n - 1, D) (all directions alike); None when nothing varies.

    Source:
        Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality".

    >>> square = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(effective_rank(ScatterMatrix.of(square)), 6)
    2.0
    """
    products = scatter.products.double()
    varying, size = float(products.trace()), scatter.count * float(scatter.mean.double().square().sum())
    if varying <= ROUNDING**2 * (varying + size):
        return None
    squares = torch.linalg.eigvalsh(products)
    squares = squares[squares > len(squares) * torch.finfo(torch.float64).eps * squares[-1]]
    share = squares.sqrt() / squares.sqrt().sum()
    return math.exp(-float((share * share.log()).sum()))
