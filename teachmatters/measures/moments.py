"""Mean and deviation of numbers that come in batches, independent of the batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Features that differ by less than this share of their norm count as equal.
ROUNDING = 4 * torch.finfo(torch.float32).eps

# The width from which products of vectors with themselves are computed in so many blocks of columns.
BLOCKED, BLOCKS = 192, 4


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared deviations of a stream of equally shaped values.

    The count is a number, or a tensor like the mean where some values are missing.

    Sums of squares would lose the deviation of nearly equal numbers; joining means does not (Chan, Golub and LeVeque
    1983).

    >>> a, b = Moments.of(torch.tensor([[1.0], [2.0]])), Moments.of(torch.tensor([[6.0]]))
    >>> joined = a + b
    >>> joined.count, float(joined.mean), round(float(joined.std()), 4)
    (3, 3.0, 2.6458)
    """

    count: int | Tensor
    mean: Tensor
    m2: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Moments:
        """Compute the moments over the first axis of (n, ...), n >= 1, in float64 where the device has it."""
        values = values.to(accumulator(values.device))
        mean = values.mean(dim=0)
        return cls(values.shape[0], mean, (values - mean).square().sum(dim=0))

    @classmethod
    def of_present(cls, values: Tensor) -> Moments:
        """Compute the moments over the first axis of those values that are not NaN; the mean of none is 0.

        >>> Moments.of_present(torch.tensor([[1.0, 2.0], [float("nan"), 4.0]])).mean.tolist()
        [1.0, 3.0]
        """
        values = values.to(accumulator(values.device))
        present = ~values.isnan()
        count = present.sum(dim=0)
        mean = values.nansum(dim=0) / count.clamp_min(1)
        return cls(count, mean, (values - mean).square().nansum(dim=0))

    @classmethod
    def joined(cls, counts: Sequence[int], means: Tensor, m2: Tensor) -> Moments:
        """Join the moments of n parts, in float64 where the device has it, in fewer steps than one by one.

        Args:
            counts: the number of values of each part.
            means: the mean of each part, (n, ...).
            m2: the sum of squared deviations of each part, (n, ...).

        >>> means, m2 = torch.tensor([[1.5], [6.0]]), torch.tensor([[0.5], [0.0]])
        >>> Moments.joined([2, 1], means, m2).mean.item()
        3.0
        """
        wide = accumulator(means.device)
        weights, total = torch.tensor(counts, dtype=wide, device=means.device), sum(counts)
        mean = torch.tensordot(weights / total, means.to(wide), 1)
        between = torch.tensordot(weights, (means - mean).square_(), 1)
        return cls(total, mean, between.add_(m2.sum(dim=0, dtype=wide)))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        total = count.clamp_min(1) if isinstance(count, Tensor) else count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / total)
        return Moments(count, mean, self.m2 + other.m2 + delta.square() * (self.count * other.count / total))

    def std(self) -> Tensor | None:
        """Return the deviation with n - 1, or None for a single value; NaN where only some have a single value."""
        if isinstance(self.count, Tensor):
            return (self.m2 / (self.count - 1)).sqrt().masked_fill(self.count < 2, torch.nan)
        return (self.m2 / (self.count - 1)).sqrt() if self.count > 1 else None


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
        return cls(values.shape[0], mean, _products(values))

    def __add__(self, other: ScatterMatrix) -> ScatterMatrix:
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        shift = torch.outer(delta, delta) * (self.count * other.count / count)
        return ScatterMatrix(count, mean, self.products + other.products + shift)

    @property
    def varies(self) -> bool:
        """Return whether the vectors differ by more than rounding."""
        varying, size = float(self.products.trace()), self.count * float(self.mean.square().sum())
        return varying > ROUNDING**2 * (varying + size)


def _products(values: Tensor) -> Tensor:
    """Compute X'X of (n, D); a CPU computes the upper blocks alone and mirrors them."""
    width = values.shape[1]
    if values.device.type != "cpu" or width < BLOCKED:
        return values.T @ values
    products, step = values.new_empty(width, width), -(-width // BLOCKS)
    for start in range(0, width, step):
        end = start + step
        upper = values[:, start:end].T @ values[:, start:]
        products[start:end, start:], products[end:, start:end] = upper, upper[:, step:].T
    return products


def varies(vectors: Tensor) -> bool:
    """Return whether vectors (n, D) differ by more than rounding.

    >>> varies(torch.ones(3, 2)), varies(torch.eye(2))
    (False, True)
    """
    return bool((vectors - vectors.mean(dim=0)).norm() > ROUNDING * vectors.norm())


def accumulator(device: torch.device) -> torch.dtype:
    """Return the widest float of a device: float64, but float32 on Apple's GPUs, which lack float64."""
    return torch.float32 if device.type == "mps" else torch.float64
