"""Tests of Procrustes and rank correlation against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from teachmatters.measures.representation.similarity import centred_unit, mean_ranks, procrustes, rsa, similarity_ranks


def features(seed: int, n: int, width: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n, width)) @ np.diag(np.geomspace(1, 1e-3, width)) + 5


def normalised(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=0)
    unit: np.ndarray = x / np.linalg.norm(x)
    return unit


def similarity(x: np.ndarray, y: np.ndarray) -> float:
    first, second = centred_unit(torch.tensor(x)), centred_unit(torch.tensor(y))
    assert first is not None
    assert second is not None
    return float(procrustes(first, second))


@pytest.mark.parametrize(("n", "first", "second"), [(30, 6, 9), (8, 20, 12), (8, 5, 20), (4, 3, 3)])
def test_procrustes_equals_scipy(n: int, first: int, second: int) -> None:
    x, y = features(0, n, first), features(1, n, second)
    width = max(first, second)
    padded = [np.pad(normalised(each), ((0, 0), (0, width - each.shape[1]))) for each in (x, y)]
    _, expected = orthogonal_procrustes(*padded)
    assert similarity(x, y) == pytest.approx(expected, rel=1e-9)


def test_rotation_scale_and_shift_do_not_matter() -> None:
    x = features(0, 12, 5)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((5, 5)))[0]
    assert similarity(x, 7 * x @ turn + 2) == pytest.approx(1.0, abs=1e-12)


def test_rsa_equals_scipy_with_ties() -> None:
    x, y = np.random.default_rng(0).choice([-1.0, 1.0], (10, 4)), features(1, 10, 7)  # cosines 0, 1/2 and 1 exactly
    first, second = similarity_ranks(torch.tensor(x)), similarity_ranks(torch.tensor(y))
    assert first is not None
    assert second is not None
    cosines = [1 - pdist(x, "cosine").round(9), 1 - pdist(y, "cosine")]
    assert float(rsa(first, second)) == pytest.approx(spearmanr(*cosines).statistic, abs=1e-12)
    assert float(rsa(first, first)) == pytest.approx(1.0)


def test_ties_share_their_mean_rank() -> None:
    values = np.random.default_rng(0).integers(0, 5, 40)
    assert mean_ranks(torch.tensor(values)).tolist() == rankdata(values).tolist()


def test_constant_features_have_no_similarity() -> None:
    x = torch.randn(1, 6).expand(5, 6)
    assert centred_unit(x) is None
    assert similarity_ranks(x) is None


def test_equal_similarities_have_no_order() -> None:
    scales = torch.tensor([[1.0], [2.0], [0.3], [7.0]])
    assert similarity_ranks(scales * torch.randn(1, 6, generator=torch.Generator().manual_seed(0))) is None
    assert similarity_ranks(torch.eye(5)) is None
    assert similarity_ranks(torch.eye(5) + 1e-4 * torch.arange(5)) is not None
