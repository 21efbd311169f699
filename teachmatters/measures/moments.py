"""Mean and deviation of numbers that come in batches, independent of the batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared deviations of a stream of equally shaped values.

    Sums of squares would lose the deviation of nearly equal numbers; joining means does not (Chan, Golub and LeVeque
    1983).

    >>> a, b = Moments.of(torch.tensor([[1.0], [2.0]])), Moments.of(torch.tensor([[6.0]]))
    >>> joined = a + b
    >>> joined.count, float(joined.mean), round(float(joined.std()), 4)
    (3, 3.0, 2.6458)
    """

    count: int
    mean: Tensor
    m2: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Moments:
        """Compute the moments over the first axis of (n, ...), n >= 1, in float64 where the device has it."""
        values = values.to(accumulator(values.device))
        mean = values.mean(dim=0)
        return cls(values.shape[0], mean, (values - mean).square().sum(dim=0))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        return Moments(count, mean, self.m2 + other.m2 + delta.square() * (self.count * other.count / count))

    def std(self) -> Tensor | None:
        """Return the deviation with n - 1, or None for a single value."""
        return (self.m2 / (self.count - 1)).sqrt() if self.count > 1 else None


def accumulator(device: torch.device) -> torch.dtype:
    """Return the widest float of a device: float64, but float32 on Apple's GPUs, which lack float64."""
    return torch.float32 if device.type == "mps" else torch.float64
