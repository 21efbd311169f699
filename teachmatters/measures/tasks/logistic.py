"""Multinomial logistic regression by L-BFGS, on the features' device."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from teachmatters.measures.moments import accumulator

# The largest entry of the gradient at which the search ends, and the number of steps after which it gives up.
TOLERANCE = 1e-6
MOST_STEPS = 10_000
MEMORY = 20
# Bytes of the class scores of one block of rows.
BLOCK_BYTES = 1 << 27


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """A fitted linear classifier.

    Attributes:
        weights: (D + 1, K); the last row holds the intercepts.
        gradient: the largest entry of the gradient at the end, at most TOLERANCE where the search converged.
        steps: the number of steps of L-BFGS.
    """

    weights: Tensor
    gradient: float
    steps: int

    def scores(self, features: Tensor) -> Tensor:
        """Return the score of each class, (n, K), of features (n, D)."""
        return features.to(self.weights.dtype) @ self.weights[:-1] + self.weights[-1]


def fit_logistic(features: Tensor, labels: Tensor, classes: int, c: float, start: Tensor | None = None) -> LogisticFit:
    """Minimise (1/n) (sum of cross-entropies + ||W||^2 / (2 c)) over all classes' weights; intercepts are free.

    This is scikit-learn's LogisticRegression(C=c) with a softmax over all classes, even if there are two. The first
    guess of the inverse Hessian is that of a quadratic model of the loss, so that features with a large common part or
    few directions need few steps.

    Args:
        features: (n, D), any float.
        labels: (n,), int64, from 0 to classes - 1.
        classes: K.
        c: the inverse of the strength of the penalty, above 0.
        start: (D + 1, K), such as the weights for a smaller ``c``; by default 0.

    Returns:
        the fit; its ``gradient`` exceeds TOLERANCE where the search gave up.

    Source:
        Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization".

    >>> x, y = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> fit = fit_logistic(x, y, classes=2, c=1.0)
    >>> fit.scores(torch.tensor([[-3.0], [3.0]])).argmax(dim=1).tolist()
    [0, 1]
    """
    loss = _Loss(features, labels, classes, c)
    weights = loss.zeros() if start is None else start
    value, gradient = loss(weights)
    curvature, memory = loss.curvature(weights), deque[tuple[Tensor, Tensor, Tensor]](maxlen=MEMORY)
    steps = 0
    while (largest := float(gradient.abs().max())) > TOLERANCE and steps < MOST_STEPS:
        direction = -_inverse_hessian(gradient, curvature, memory)
        found = _line_search(loss, weights, value, gradient, direction)
        if found is None:
            break
        step, value, slope = found
        change = slope - gradient
        memory.append((step, change, (step * change).sum()))
        weights, gradient, steps = weights + step, slope, steps + 1
    return LogisticFit(weights, largest, steps)


class _Loss:
    """The loss and its gradient in weights (D + 1, K), block by block of rows."""

    def __init__(self, features: Tensor, labels: Tensor, classes: int, c: float) -> None:
        self.features, self.labels, self.classes = features, labels, classes
        self.dtype, self.penalty = accumulator(features.device), 1 / (len(features) * c)
        self.rows = max(1, BLOCK_BYTES // (8 * max(classes, features.shape[1])))

    def zeros(self) -> Tensor:
        shape = self.features.shape[1] + 1, self.classes
        return torch.zeros(shape, dtype=self.dtype, device=self.features.device)

    def _blocks(self) -> list[tuple[Tensor, Tensor]]:
        return list(zip(torch.split(self.features, self.rows), torch.split(self.labels, self.rows), strict=True))

    def __call__(self, weights: Tensor) -> tuple[float, Tensor]:
        """Return the loss, and its gradient (D + 1, K)."""
        total, gradient = torch.zeros((), dtype=self.dtype, device=weights.device), torch.zeros_like(weights)
        for features, labels in self._blocks():
            inputs = features.to(self.dtype)
            logs = (inputs @ weights[:-1] + weights[-1]).log_softmax(dim=1)
            total -= logs.gather(1, labels[:, None]).sum()
            residual = logs.exp_()
            residual[torch.arange(len(labels), device=labels.device), labels] -= 1
            gradient[:-1] += inputs.T @ residual
            gradient[-1] += residual.sum(dim=0)
        gradient /= len(self.labels)
        gradient[:-1] += self.penalty * weights[:-1]
        return float(total / len(self.labels) + self.penalty / 2 * weights[:-1].square().sum()), gradient

    def curvature(self, weights: Tensor) -> Tensor:
        """Return the Cholesky factor (D + 1, D + 1) of a model of the Hessian that all classes share.

        The Hessian of class k is the mean of p (1 - p) x x' over the rows; here each row has the mean p (1 - p).
        """
        products, spread = torch.zeros(len(weights), len(weights)).to(weights), torch.zeros(()).to(weights)
        for features, _ in self._blocks():
            inputs = pad(features.to(self.dtype), (0, 1), value=1.0)
            products += inputs.T @ inputs
            share = (inputs @ weights).softmax(dim=1)
            spread += (share * (1 - share)).mean(dim=1).sum()
        count = len(self.labels)
        products *= (spread / count).clamp(min=1e-8) / count
        products.diagonal()[:-1] += self.penalty
        factor: Tensor = torch.linalg.cholesky(products)
        return factor


def _inverse_hessian(gradient: Tensor, curvature: Tensor, memory: deque[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Multiply the gradient by the inverse Hessian of L-BFGS (the two-loop recursion)."""
    shares: list[Tensor] = []
    for step, change, product in reversed(memory):
        shares.append((step * gradient).sum() / product)
        gradient = gradient - shares[-1] * change
    found = torch.cholesky_solve(gradient, curvature)
    if memory:
        _, change, product = memory[-1]
        found *= product / (change * torch.cholesky_solve(change, curvature)).sum()
    for (step, change, product), share in zip(memory, reversed(shares), strict=True):
        found += (share - (change * found).sum() / product) * step
    return found


def _line_search(
    loss: _Loss, weights: Tensor, value: float, gradient: Tensor, direction: Tensor
) -> tuple[Tensor, float, Tensor] | None:
    """Halve the step until the loss falls enough, or the slope does where the loss is flat up to rounding.

    Returns:
        the step, and the loss and gradient after it; None when no step helps.
    """
    slope, length = float((gradient * direction).sum()), 1.0
    flat = 1e-14 * abs(value)
    while length > 1e-10:
        step = length * direction
        new, after = loss(weights + step)
        along = float((after * direction).sum())
        falls = new <= value + 1e-4 * length * slope or (new <= value + flat and abs(along) <= abs(slope))
        if falls and along > slope:
            return step, new, after
        length /= 2
    return None
