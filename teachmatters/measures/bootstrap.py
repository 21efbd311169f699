"""The paired percentile bootstrap of means over units (Efron and Tibshirani 1993, chapter 13)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
# The number of weights (how often each unit is drawn) that are held at a time: 32 MB.
WEIGHTS = 1 << 22
LEVEL = 0.95


def resampled_means(scores: Floats, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Compute means over units drawn with replacement, with the same units for every column.

    Args:
        scores: (units, columns), finite; columns are the layers of one or several models.
        resamples: the number of resamples.
        seed: for drawing units.

    Returns:
        (resamples, columns).

    Raises:
        ValueError: there is no unit.

    >>> means = resampled_means(np.array([[0.0, 1.0], [1.0, 2.0], [1.0, 2.0]]))
    >>> means.shape, bool(np.allclose(means[:, 1] - means[:, 0], 1.0))
    ((1000, 2), True)
    """
    units = len(scores)
    if not units:
        raise ValueError("no units to draw from")
    generator = np.random.default_rng(seed)
    columns = np.ascontiguousarray(scores.T, np.float32 if _exact_in_single(scores) else np.float64)
    sums = np.empty((len(columns), resamples), columns.dtype)
    step = max(1, WEIGHTS // units)
    for start in range(0, resamples, step):
        drawn = np.empty((min(step, resamples - start), units), columns.dtype)
        for row in drawn:
            row[:] = np.bincount(generator.integers(0, units, units), minlength=units)
        np.matmul(columns, drawn.T, out=sums[:, start : start + step])
    means = sums.astype(np.float64, copy=False)
    means /= units
    return means.T


def _exact_in_single(scores: Floats) -> bool:
    """Return whether float32, which is twice as fast, has no rounding error, as in sums of 0 and 100."""
    whole = np.array_equal(scores[0], np.rint(scores[0])) and np.array_equal(scores, np.rint(scores))
    return whole and len(scores) * float(np.abs(scores).max(initial=0)) < 1 << 24


def interval(means: Floats, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the ends of the middle ``level`` of resampled means, or of their differences: (columns,) each.

    >>> low, high = interval(np.arange(101.0)[:, None])
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([2.5], [97.5])
    """
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def tied(means: Floats, best: int) -> NDArray[np.bool_]:
    """Find columns that are not distinguishable from another: the interval of the paired difference contains 0.

    Args:
        means: (resamples, columns).
        best: the column to compare each column with.

    >>> means = resampled_means(np.array([[0.0, 0.0, 9.0], [1.0, 1.0, 9.0], [2.0, 1.0, 9.0]]))
    >>> tied(means, best=0).tolist()
    [True, True, False]
    """
    gaps = means - means[:, [best]]
    # Each end is between two of the sorted gaps. Where these are on one side of 0, counting is enough.
    place = int((1 - LEVEL) / 2 * (len(gaps) - 1))
    under, over = (gaps <= 0).sum(axis=0), (gaps >= 0).sum(axis=0)
    fewer = np.minimum(under, over)
    found: NDArray[np.bool_] = fewer > place + 2
    near = ~found & (fewer >= place)
    if near.any():
        low, high = interval(gaps[:, near])
        found[near] = (low <= 0) & (high >= 0)
    return found


def wins(bests: Floats) -> Floats:
    """Compute how often each model has the highest score; ties are shared.

    Args:
        bests: (resamples, models), the best score of each model.

    Returns:
        (models,), shares between 0 and 1.

    >>> wins(np.array([[1.0, 2.0], [2.0, 2.0]])).tolist()
    [0.25, 0.75]
    """
    first = bests == bests.max(axis=1, keepdims=True)
    shares: Floats = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
