"""The effective rank: the number of directions that features use."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator
from teachmatters.measures.representation.cka import ROUNDING


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
        """Compute the scatter matrix of (n, D), n >= 1, in float64 where the device has it."""
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
    products = scatter.products.double()
    varying, size = float(products.trace()), scatter.count * float(scatter.mean.double().square().sum())
    if varying <= ROUNDING**2 * (varying + size):
        return None
    squares = torch.linalg.eigvalsh(products)
    squares = squares[squares > len(squares) * torch.finfo(torch.float64).eps * squares[-1]]
    share = squares.sqrt() / squares.sqrt().sum()
    return math.exp(-float((share * share.log()).sum()))
