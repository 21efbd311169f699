"""Tests of cluster scores against counting, and of k-means against all partitions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from threadpoolctl import threadpool_info

from teachmatters.measures.representation.clusters import SCORES, ari, k_means, nmi, purity
from tests import cluster_oracles as oracles

CASES = {
    "random": ([3, 1, 1, 7, 3, 3, 1, 7, 3, 1], [0, 0, 1, 1, 2, 0, 2, 2, 0, 1]),
    "many clusters": ([0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 4]),
    "a class with one sample": ([0, 0, 0, 0, 9], [0, 0, 1, 1, 1]),
    "labels with gaps, clusters too": ([100, 5, 100, 5, 7], [8, 2, 8, 2, 2]),
    "worse than chance": ([0, 0, 1, 1], [0, 1, 0, 1]),
    "perfect": ([4, 4, 2, 2, 0], [0, 0, 1, 1, 2]),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_equal_counting_and_scikit_learn(case: str) -> None:
    labels, clusters = CASES[case]
    a, b = np.array(labels), np.array(clusters)
    assert purity(a, b) == pytest.approx(oracles.purity(labels, clusters))
    assert nmi(a, b) == pytest.approx(oracles.nmi(labels, clusters), abs=1e-12)
    assert ari(a, b) == pytest.approx(oracles.ari(labels, clusters))
    assert nmi(a, b) == normalized_mutual_info_score(labels, clusters)
    assert ari(a, b) == adjusted_rand_score(labels, clusters)


def test_cluster_names_do_not_matter_and_singletons_are_pure() -> None:
    labels, clusters = map(np.array, CASES["random"])
    for score in SCORES.values():
        assert score(labels, 10 - 3 * clusters) == pytest.approx(score(labels, clusters))
    assert purity(labels, np.arange(10)) == 1
    assert purity(labels, np.zeros(10, dtype=np.int64)) == 0.4


def inertia(points: np.ndarray[tuple[int, int], np.dtype[np.float32]], division: tuple[int, ...]) -> float:
    parts = [points[[own == cluster for own in division]] for cluster in set(division)]
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))


@pytest.mark.parametrize("clusters", [2, 3])
def test_k_means_finds_the_best_of_all_partitions(clusters: int) -> None:
    points = np.random.default_rng(5).standard_normal((8, 2)).astype(np.float32)
    found = k_means(points, clusters)
    best = min(inertia(points, division) for division in product(range(clusters), repeat=8))
    assert found.dtype == np.int64
    assert inertia(points, tuple(found.tolist())) == pytest.approx(best, rel=1e-5)


def test_k_means_equals_scikit_learn_with_ten_starts() -> None:
    features = np.random.default_rng(3).standard_normal((150, 5)).astype(np.float32)
    found = k_means(features, 12)
    assert found.tolist() == KMeans(12, n_init=10, random_state=0).fit(features).labels_.tolist()
    assert found.tolist() == k_means(features, 12).tolist()
    assert found.tolist() != KMeans(12, n_init=1, random_state=0).fit(features).labels_.tolist()
    assert found.tolist() != k_means(features, 12, seed=1).tolist()


def test_k_means_restores_the_number_of_threads() -> None:
    before = threadpool_info()
    k_means(np.zeros((3, 1), np.float32) + np.arange(3, dtype=np.float32)[:, None], 2)
    assert threadpool_info() == before


def test_more_clusters_than_features_is_an_error() -> None:
    with pytest.raises(ValueError, match="n_samples=2"):
        k_means(np.eye(2, dtype=np.float32), 3)
