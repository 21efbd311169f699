"""Ridge regression from sums, so that no feature has to be kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.measures.moments import ScatterMatrix, accumulator


@dataclass(frozen=True, slots=True)
class RidgeSums:
    """The sums that ridge regression needs of features X (n, D) and targets Y (n, T), which come in batches.

    Attributes:
        inputs: count, mean and centred products of X.
        target_mean: (T,), the mean of Y.
        cross: (D, T), the products X' Y, both centred.
        target_squares: (T,), the sum of squared deviations of each target.

    >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]])
    >>> joined = RidgeSums.of(x[:1], y[:1]) + RidgeSums.of(x[1:], y[1:])
    >>> joined.inputs.count, joined.cross.tolist(), joined.target_squares.tolist()
    (3, [[4.0]], [8.0])
    """

    inputs: ScatterMatrix
    target_mean: Tensor
    cross: Tensor
    target_squares: Tensor

    @classmethod
    def of(cls, features: Tensor, targets: Tensor) -> RidgeSums:
        """Compute the sums of (n, D) and (n, T), n >= 1, in float64 where the device has it."""
        features = features.to(accumulator(features.device))  # once for both products
        inputs = ScatterMatrix.of(features)
        targets = targets.to(features.dtype)
        mean = targets.mean(dim=0)
        centred = targets - mean
        # Centring one side is enough: the centred targets sum to 0.
        return cls(inputs, mean, features.T @ centred, centred.square().sum(dim=0))

    def __add__(self, other: RidgeSums) -> RidgeSums:
        inputs = self.inputs + other.inputs
        weight = self.inputs.count * other.inputs.count / inputs.count
        shift, delta = other.inputs.mean - self.inputs.mean, other.target_mean - self.target_mean
        return RidgeSums(
            inputs,
            self.target_mean + delta * (other.inputs.count / inputs.count),
            self.cross + other.cross + torch.outer(shift, delta) * weight,
            self.target_squares + other.target_squares + delta.square() * weight,
        )


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A fitted linear map: the targets of x are ``x @ weights + intercept``.

    Attributes:
        weights: (D, T).
        intercept: (T,), not penalised.
    """

    weights: Tensor
    intercept: Tensor

    def predict(self, features: Tensor) -> Tensor:
        """Predict the targets (n, T) of (n, D)."""
        return features.to(self.weights.dtype) @ self.weights + self.intercept


def ridge(sums: RidgeSums, penalty: float) -> RidgeFit:
    """Solve (X'X + penalty tr(X'X) / D I) W = X'Y, X and Y centred.

    Args:
        sums: of X (n, D) and Y (n, T).
        penalty: above 0, relative to the mean variance of a feature.

    Returns:
        the fit; for features that do not vary, the mean of Y.

    Source:
        Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems".

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> fit = ridge(RidgeSums.of(x, 2 * x + 1), penalty=1e-9)
    >>> fit.predict(torch.tensor([[3.0]])).round(decimals=6).tolist()
    [[7.0]]
    """
    products = sums.inputs.products
    if not sums.inputs.varies:
        return RidgeFit(torch.zeros_like(sums.cross), sums.target_mean)
    strength = penalty * products.diagonal().mean()
    factor = torch.linalg.cholesky(products + strength * torch.eye(len(products)).to(products))
    weights = torch.cholesky_solve(sums.cross, factor)
    return RidgeFit(weights, sums.target_mean - sums.inputs.mean @ weights)


def determination(fit: RidgeFit, sums: RidgeSums) -> Tensor:
    """Compute R^2 of a fit on data that are known by their sums: 1 - squared error / squared deviation.

    Args:
        fit: from other data, or the same.
        sums: the sums of the data to predict.

    Returns:
        (T,), at most 1; NaN for a target that does not vary.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> fit = RidgeFit(torch.ones(1, 1).double(), torch.full((1,), 0.5).double())
    >>> determination(fit, RidgeSums.of(x, x)).tolist()
    [0.625]
    """
    weights = fit.weights
    bias = sums.target_mean - sums.inputs.mean @ weights - fit.intercept
    explained = (weights * (sums.inputs.products @ weights)).sum(dim=0) - 2 * (weights * sums.cross).sum(dim=0)
    error = sums.target_squares + explained + sums.inputs.count * bias.square()
    return torch.where(sums.target_squares > 0, 1 - error / sums.target_squares, torch.nan)
