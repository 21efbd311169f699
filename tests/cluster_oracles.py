"""Slow cluster scores by counting, and the mean of the patches of a segment, patch by patch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans


def purity(labels: Sequence[int], clusters: Sequence[int]) -> float:
    right = 0
    for cluster in set(clusters):
        members = [label for label, own in zip(labels, clusters, strict=True) if own == cluster]
        right += max(Counter(members).values())
    return right / len(labels)


def entropy(values: Sequence[object]) -> float:
    return -sum(n / len(values) * math.log(n / len(values)) for n in Counter(values).values())


def nmi(labels: Sequence[int], clusters: Sequence[int]) -> float:
    shared = entropy(labels) + entropy(clusters) - entropy(list(zip(labels, clusters, strict=True)))
    return 2 * shared / (entropy(labels) + entropy(clusters))


def ari(labels: Sequence[int], clusters: Sequence[int]) -> float:
    """Over all pairs of samples: joined by both, by either, and what chance would give."""
    pairs = list(combinations(range(len(labels)), 2))
    by_label = [labels[i] == labels[j] for i, j in pairs]
    by_cluster = [clusters[i] == clusters[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(by_label, by_cluster, strict=True))
    chance = sum(by_label) * sum(by_cluster) / len(pairs)
    return (both - chance) / ((sum(by_label) + sum(by_cluster)) / 2 - chance)


def scores(features: NDArray[Any], labels: Sequence[int], clusters: int) -> dict[str, float]:
    """Of the clusters that scikit-learn finds as the protocol says."""
    found = KMeans(clusters, n_init=10, random_state=0).fit(features.astype(np.float32)).labels_.tolist()
    return {"purity": purity(labels, found), "nmi": nmi(labels, found), "ari": ari(labels, found)}


def filled(tokens: NDArray[np.float64], mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean of (h, w, D) tokens, each counting as its 0..255."""
    total, weight = np.zeros(tokens.shape[2]), 0.0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            total += float(mask[y, x]) * tokens[y, x]
            weight += float(mask[y, x])
    return total / weight
