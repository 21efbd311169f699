"""Slow textbook versions of the measures; they share no code with the package."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

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


def spatial_rows(attention: Array, grid: tuple[int, int]) -> list[list[float]]:
    """The patches' rows over the patches, each divided by its sum; a row of no mass stays 0."""
    patches = grid[0] * grid[1]
    rows = [[float(w) for w in row[-patches:]] for row in attention[-patches:]]
    return [[w / sum(row) if sum(row) else 0.0 for w in row] for row in rows]


def aligned_map(attention: Array, grid: tuple[int, int]) -> Array:
    """One head's (T, T) map as seen from the query: every weight added where its key lies relative to its query."""
    (rows, columns), weights = grid, spatial_rows(attention, grid)
    aligned = np.zeros((2 * rows - 1, 2 * columns - 1))
    for query, row in enumerate(weights):
        for key, weight in enumerate(row):
            down, right = key // columns - query // columns, key % columns - query % columns
            aligned[down + rows - 1, right + columns - 1] += weight
    return aligned / (rows * columns)


def attention_offset(aligned: Array) -> tuple[float, float]:
    """Centre of mass, x and y, columns and rows numbered from -1 to 1."""
    high, wide = aligned.shape
    x = y = 0.0
    for i in range(high):
        for j in range(wide):
            x += aligned[i, j] * (2 * j / (wide - 1) - 1 if wide > 1 else 0.0)
            y += aligned[i, j] * (2 * i / (high - 1) - 1 if high > 1 else 0.0)
    return x / float(aligned.sum()), y / float(aligned.sum())


def attention_entropy(attention: Array, patches: int) -> float:
    """Mean over the patches' rows of the entropy over all keys, in nats."""
    rows = [[float(w) for w in row] for row in attention[-patches:]]
    return sum(-w * math.log(w) for row in rows for w in row if w > 0) / patches


def position_deviation(attention: Array, patches: int) -> float:
    """For each spatial key the deviation over spatial queries, averaged."""
    spatial = attention[-patches:, -patches:]
    return float(np.mean([statistics.stdev(map(float, column)) for column in spatial.T]))


def head_deviation(attention: Array, patches: int) -> float:
    """One image's (H, T, T): for each pair of patches the deviation over heads, averaged."""
    spatial = attention[:, -patches:, -patches:].reshape(len(attention), -1)
    return float(np.mean([statistics.stdev(map(float, column)) for column in spatial.T]))


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


def renormalised(head: Array, patches: int) -> Array:
    """A head's (T, T) attention of patches on patches, each row divided by its sum unless that is 0."""
    rows = np.array(head[-patches:, -patches:], dtype=np.float64)
    return np.array([row / row.sum() if row.sum() > 0 else row for row in rows])


def pure_map(head: Array, patches: int) -> Array:
    """The mean of the renormalised rows."""
    mean: Array = renormalised(head, patches).mean(axis=0)
    return mean


def normalised_information(head: Array, patches: int) -> float:
    """Of query and key, by scikit-learn's mutual information of a contingency table and SciPy's entropy."""
    joint = renormalised(head, patches) / patches
    if (joint.sum(axis=1) == 0).any():
        return float("nan")
    of_keys = float(entropy(joint.sum(axis=0)))
    counts = np.rint(1e9 * joint).astype(np.int64)  # scikit-learn counts whole pairs
    shared = float(mutual_info_score(None, None, contingency=counts))
    return shared / float(np.sqrt(np.log(patches) * of_keys)) if of_keys > 1e-12 else 0.0
