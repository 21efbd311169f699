"""k-means clusters of features, and their agreement with labels: purity, NMI and ARI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Features: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

# The number of starts of k-means. The result with the smallest inertia counts.
STARTS = 10


def k_means(features: Features, clusters: int, seed: int = 0) -> Labels:
    """Cluster vectors by k-means (Lloyd's iteration from k-means++ starts, the best of ten).

    It always runs on one thread: several threads sum in a different order, which changes the last bit, and on shared
    cores they wait for each other most of the time.

    Args:
        features: (n, D), float32, not normalised.
        clusters: at most n. If there are fewer distinct features, there are as many clusters as these, and
            scikit-learn warns.
        seed: for the starts.

    Returns:
        int64 (n,): the cluster of each vector, from 0.

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
    """Compute the share of samples that have the most frequent label of their cluster.

    Args:
        labels: (n,), n at least 1; any numbers.
        clusters: (n,).

    Returns:
        From the share of the most frequent label to 1. It rises with the number of clusters: with one cluster per
        sample, it is 1.

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
    """Compute normalised mutual information: the mutual information of labels and clusters over their mean entropy.

    Args:
        labels: (n,).
        clusters: (n,).

    Returns:
        0 (independent) to 1 (the same division).

    Source:
        Strehl and Ghosh 2002, "Cluster ensembles"; with the arithmetic mean, scikit-learn's default.

    >>> nmi(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])), nmi(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    (1.0, 0.0)
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters))


def ari(labels: Labels, clusters: Labels) -> float:
    """Compute the adjusted Rand index: the pairs of samples on which labels and clusters agree, adjusted for chance.

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


# The scores, by the first word of the metrics' names.
SCORES: Mapping[str, Callable[[Labels, Labels], float]] = {"purity": purity, "nmi": nmi, "ari": ari}
