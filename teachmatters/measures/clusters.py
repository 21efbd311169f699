"""How well clusters of features agree with labels: purity, NMI and ARI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Features: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

# Of k-means; the one with the smallest inertia counts.
STARTS = 10


def k_means(features: Features, clusters: int, seed: int = 0) -> Labels:
    """Clusters of vectors by k-means (Lloyd's iteration from k-means++ starts, the best of ten).

    On one thread, whatever the machine: threads that add up in their own order would change the last bit, and on cores
    that are shared they wait for each other most of the time.

    Args:
        features: (n, D), not normalised; in float32 as networks give them.
        clusters: at most n. Where fewer of the features differ, so many are found, with scikit-learn's warning.
        seed: of the starts.

    Returns:
        int64 (n,): the cluster of each, from 0.

    Raises:
        ValueError: more clusters than features.

    Source:
        Lloyd 1982; Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding".

    >>> found = k_means(np.float32([[0], [10], [1], [11]]), 2)
    >>> bool(found[0] == found[2] != found[1] == found[3])
    True
    """
    from sklearn.cluster import KMeans

    with threadpool_limits(1):
        found = KMeans(clusters, init="k-means++", n_init=STARTS, random_state=seed).fit_predict(features)
    return np.asarray(found, dtype=np.int64)


def purity(labels: Labels, clusters: Labels) -> float:
    """The share of samples that are of their cluster's most frequent label.

    Args:
        labels: (n,), n at least 1; any numbers.
        clusters: (n,).

    Returns:
        From the share of the most frequent label to 1. It rises with the number of clusters: of as many as samples
        every one is pure.

    Source:
        Manning, Raghavan and Schuetze 2008, "Introduction to information retrieval", section 16.3.

    >>> purity(np.array([5, 5, 7, 7, 7]), np.array([0, 0, 0, 1, 1]))
    0.8
    """
    _, label = np.unique(labels, return_inverse=True)
    _, cluster = np.unique(clusters, return_inverse=True)
    counts = np.zeros((cluster.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(counts, (cluster, label), 1)
    return float(counts.max(axis=1).sum() / len(labels))


def nmi(labels: Labels, clusters: Labels) -> float:
    """Normalised mutual information: what labels and clusters say of each other, over their mean entropy.

    Args:
        labels: (n,).
        clusters: (n,).

    Returns:
        0 (independent) to 1 (the same division).

    Source:
        Strehl and Ghosh 2002, "Cluster ensembles"; the arithmetic mean, as scikit-learn's default.

    >>> nmi(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])), nmi(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    (1.0, 0.0)
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters))


def ari(labels: Labels, clusters: Labels) -> float:
    """Adjusted Rand index: the pairs of samples that labels and clusters both join or both part, against chance.

    Args:
        labels: (n,).
        clusters: (n,).

    Returns:
        -0.5 to 1 (the same division); 0 on average by chance.

    Source:
        Hubert and Arabie 1985, "Comparing partitions".

    >>> ari(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])), ari(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    (1.0, -0.5)
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(labels, clusters))


# By the first word of the metrics' names.
SCORES: Mapping[str, Callable[[Labels, Labels], float]] = {"purity": purity, "nmi": nmi, "ari": ari}
