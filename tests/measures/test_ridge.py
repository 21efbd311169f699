"""Tests of ridge regression from sums against scikit-learn on the features."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from teachmatters.measures.ridge import RidgeSums, determination, ridge


def data(seed: int, n: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).standard_normal((7, 3))
    x = generator.standard_normal((n, 7)) * [3, 1, 1, 0.1, 1, 1, 1e-3] + 20
    return torch.tensor(x), torch.tensor(x @ mixing + generator.standard_normal((n, 3)))


def sums(x: torch.Tensor, y: torch.Tensor, size: int) -> RidgeSums:
    parts = zip(torch.split(x, size), torch.split(y, size), strict=True)
    return functools.reduce(operator.add, (RidgeSums.of(*part) for part in parts))


@pytest.mark.parametrize("size", [1, 13, 90])
@pytest.mark.parametrize("penalty", [1e-6, 1e-2, 1.0])
def test_fit_and_r2_equal_scikit_learn(penalty: float, size: int) -> None:
    (x, y), (x2, y2) = data(0), data(1, 40)
    variance = float((x - x.mean(dim=0)).square().sum()) / 7
    theirs = Ridge(alpha=penalty * variance, solver="svd").fit(x.numpy(), y.numpy())
    fit = ridge(sums(x, y, size), penalty)
    np.testing.assert_allclose(fit.predict(x2).numpy(), theirs.predict(x2.numpy()), rtol=1e-8)
    expected = r2_score(y2.numpy(), theirs.predict(x2.numpy()), multioutput="raw_values")
    np.testing.assert_allclose(determination(fit, sums(x2, y2, size)).numpy(), expected, rtol=1e-8)


def test_constant_features_predict_the_mean() -> None:
    x, y = torch.full((6, 4), 3.3), torch.randn(6, 2)
    fit = ridge(RidgeSums.of(x, y), 1e-2)
    np.testing.assert_allclose(fit.predict(x), y.double().mean(dim=0).expand(6, 2))
    assert determination(fit, RidgeSums.of(x, y)).abs().max() < 1e-12


def test_a_constant_target_has_no_r2() -> None:
    x, y = data(0)
    y[:, 1] = 5.0
    fit = ridge(RidgeSums.of(x, y), 1e-2)
    assert determination(fit, RidgeSums.of(x, y)).isnan().tolist() == [False, True, False]
