"""Tests of position R2 against scikit-learn's ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from teachmatters.measures.representation.position import grid_positions, position_r2
from teachmatters.measures.ridge import RidgeSums


def test_r2_equals_scikit_learn() -> None:
    positions = grid_positions((3, 5))
    columns, rows = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 3))
    np.testing.assert_allclose(positions, np.stack([columns.ravel(), rows.ravel()], axis=1))
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((2, 6))
    train, test = (positions.numpy().repeat(4, axis=0) @ mixing + generator.standard_normal((60, 6)) for _ in range(2))
    targets = positions.numpy().repeat(4, axis=0)
    alpha = 1e-4 * ((train - train.mean(axis=0)) ** 2).sum() / 6
    expected = r2_score(targets, Ridge(alpha=alpha, solver="svd").fit(train, targets).predict(test))
    sums = [RidgeSums.of(torch.tensor(x), torch.tensor(targets)) for x in (train, test)]
    assert position_r2(*sums) == pytest.approx(expected, rel=1e-8)


def test_one_row_of_patches_counts_only_its_columns() -> None:
    positions = grid_positions((1, 4))
    sums = RidgeSums.of(positions, positions)
    assert position_r2(sums, sums) == pytest.approx(1.0, abs=1e-6)


def test_constant_tokens_predict_no_position() -> None:
    sums = RidgeSums.of(torch.ones(15, 4), grid_positions((3, 5)))
    assert position_r2(sums, sums) == pytest.approx(0.0, abs=1e-12)
