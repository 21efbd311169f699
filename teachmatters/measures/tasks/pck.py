"""The share of correct keypoints."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]


def correct(distance: Numbers, size: Numbers, alpha: float, *, inclusive: bool) -> NDArray[np.bool_]:
    """Return whether matches are within alpha times the size of the target.

    Args:
        distance: (..., n), from the match to the target's keypoint, in pixels.
        size: (n,), the longer side of the target's box, in pixels.
        alpha: the share of the size, such as 0.1.
        inclusive: whether a match at exactly that distance is correct, as in the official evaluation.

    >>> one = np.array([1.0])
    >>> correct(one, 10 * one, 0.1, inclusive=False), correct(one, 10 * one, 0.1, inclusive=True)
    (array([False]), array([ True]))
    """
    limit = alpha * size
    return np.asarray(distance <= limit if inclusive else distance < limit)


def share_by(hits: NDArray[np.bool_], group: Whole) -> Numbers:
    """Compute the share of hits in each group.

    Args:
        hits: (layers, n) bool.
        group: (n,), from 0.

    Returns:
        (layers, groups), between 0 and 1, for the groups that occur, in ascending order.

    Source:
        Min et al. 2019, "SPair-71k: A large-scale benchmark for semantic correspondence".

    >>> share_by(np.array([[True, False, True, True]]), np.array([5, 5, 2, 5]))
    array([[1.        , 0.66666667]])
    """
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, weights=row, minlength=len(count)) for row in hits]
    return np.stack(sums) / count
