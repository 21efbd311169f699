"""Tests of the effective rank against NumPy's singular values."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
import torch

from teachmatters.measures.moments import ScatterMatrix
from teachmatters.measures.representation.rank import effective_rank


def expected(x: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def features(kind: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 30))
    if kind == "decaying":
        return x @ np.diag(10.0 ** -np.linspace(0, 4, 30))
    if kind == "collapsed":
        return np.outer(x[:, 0], x[0])
    if kind == "far off":
        return x + 1e4 * generator.standard_normal(30)
    return x[:20] if kind == "few images" else x


@pytest.mark.parametrize("kind", ["plain", "decaying", "collapsed", "far off", "few images"])
@pytest.mark.parametrize("size", [7, 1000])
def test_rank_equals_that_of_the_singular_values(kind: str, size: int) -> None:
    x = features(kind)
    scatter = functools.reduce(operator.add, (ScatterMatrix.of(part) for part in torch.split(torch.tensor(x), size)))
    rank = effective_rank(scatter)
    assert rank == pytest.approx(expected(x), rel=1e-6)
    assert scatter.count == len(x)


def test_a_single_direction_and_equal_vectors() -> None:
    assert expected(features("collapsed")) == pytest.approx(1.0)
    square = torch.cat([torch.eye(5), -torch.eye(5)])
    assert effective_rank(ScatterMatrix.of(square)) == pytest.approx(5.0)


def test_constant_features_have_no_rank() -> None:
    assert effective_rank(ScatterMatrix.of(torch.full((6, 4), 3.3))) is None
    assert effective_rank(ScatterMatrix.of(torch.zeros(6, 4))) is None
    assert effective_rank(ScatterMatrix.of(torch.randn(1, 4))) is None
