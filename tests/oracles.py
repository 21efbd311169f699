"""Slow textbook versions of the measures; they share no code with the package."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def attention_distance(attention: Array, grid: tuple[int, int]) -> float:
    """One head's (T, T) map: mean over queries of the attention-weighted distance, by four nested loops."""
    rows, columns = grid
    prefix = attention.shape[0] - rows * columns
    scale = max(rows, columns) - 1
    total = 0.0
    for query in range(rows * columns):
        weights = [float(w) for w in attention[prefix + query, prefix:]]
        mass = sum(weights)
        if mass == 0:
            continue
        for key, weight in enumerate(weights):
            dy = (query // columns - key // columns) / scale if scale else 0.0
            dx = (query % columns - key % columns) / scale if scale else 0.0
            total += weight / mass * math.hypot(dx, dy)
    return total / (rows * columns)


def knn_right(
    queries: Array, gallery: Array, labels: Sequence[int], truth: Sequence[int], classes: int, k: int, top: int
) -> list[bool]:
    """Whether each query's class is among the first ``top`` of the weighted vote, one query at a time."""
    right = []
    for query, true_class in zip(queries, truth, strict=True):
        cosines = [float(query @ other) / (np.linalg.norm(query) * np.linalg.norm(other)) for other in gallery]
        order = sorted(range(len(gallery)), key=lambda i: (-cosines[i], i))[:k]
        votes = [0.0] * classes
        for i in order:
            votes[labels[i]] += math.exp(cosines[i] / 0.07)
        ranking = sorted(range(classes), key=lambda c: (-votes[c], c))
        right.append(true_class in ranking[:top])
    return right
