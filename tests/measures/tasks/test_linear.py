"""Tests of linear probes against scikit-learn, and of the choice of their parameters against loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from teachmatters.measures.ridge import ridge
from teachmatters.measures.tasks.linear import (
    best_value,
    default_value,
    held_out,
    nth_of_class,
    one_hot_sums,
    rank_of_class,
    regularisation_path,
)
from teachmatters.measures.tasks.logistic import TOLERANCE, fit_logistic


def data(classes: int, n: int = 120, width: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors with a large common part, as features of deep layers have."""
    generator = np.random.default_rng(classes)
    labels = generator.integers(0, classes, n)
    x = 0.4 * generator.standard_normal((n, width)) + 0.6 * generator.standard_normal((classes, width))[labels] + 3
    return torch.tensor(x / np.linalg.norm(x, axis=1, keepdims=True)), torch.tensor(labels)


def gradient(x: np.ndarray, y: np.ndarray, weights: np.ndarray, c: float) -> float:
    """The largest entry of the gradient of the mean cross-entropy and the penalty, by finite sums."""
    share = np.exp(log_softmax(x @ weights[:-1] + weights[-1], axis=1))
    share[np.arange(len(y)), y] -= 1
    inner = x.T @ share / len(y) + weights[:-1] / (len(y) * c)
    return float(max(abs(inner).max(), abs(share.mean(axis=0)).max()))


@pytest.mark.parametrize("c", [0.01, 1.0, 1000.0])
def test_logistic_regression_equals_scikit_learn(c: float) -> None:
    x, y = data(4)
    fit = fit_logistic(x, y, 4, c)
    assert fit.gradient <= TOLERANCE
    assert gradient(x.numpy(), y.numpy(), fit.weights.numpy(), c) <= TOLERANCE
    theirs = LogisticRegression(C=c, tol=1e-9, max_iter=20000).fit(x.numpy(), y.numpy())
    ours = fit.scores(x).log_softmax(dim=1).exp()
    np.testing.assert_allclose(ours.numpy(), theirs.predict_proba(x.numpy()), atol=2e-4)


def test_two_classes_have_a_softmax_too() -> None:
    x, y = data(2)
    ours = fit_logistic(x, y, 2, 5.0).scores(x).softmax(dim=1)
    # With opposite weights, ||W||^2 is half of scikit-learn's ||w||^2.
    theirs = LogisticRegression(C=10.0, tol=1e-9, max_iter=20000).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(ours.numpy(), theirs.predict_proba(x.numpy()), atol=1e-4)


def test_a_warm_start_ends_at_the_same_optimum_in_fewer_steps() -> None:
    x, y = data(5)
    path = regularisation_path(x, y, 5, [100.0, 1.0, 10.0])
    alone = fit_logistic(x, y, 5, 100.0)
    assert list(path) == [1.0, 10.0, 100.0]
    np.testing.assert_allclose(path[100.0].scores(x).softmax(1), alone.scores(x).softmax(1), atol=1e-3)
    assert path[100.0].steps < alone.steps


def test_blocks_do_not_change_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data(3)
    whole = fit_logistic(x, y, 3, 1.0).weights
    monkeypatch.setattr("teachmatters.measures.tasks.logistic.BLOCK_BYTES", 8 * 12 * 7)  # 7 rows
    np.testing.assert_allclose(fit_logistic(x, y, 3, 1.0).weights, whole, atol=1e-9)


def test_one_class_has_nothing_to_fit() -> None:
    fit = fit_logistic(torch.randn(6, 3), torch.zeros(6, dtype=torch.int64), 1, 1.0)
    assert fit.scores(torch.randn(2, 3)).argmax(dim=1).tolist() == [0, 0]


def test_ridge_equals_scikit_learn() -> None:
    x, y = data(4)
    sums = one_hot_sums(x, y, 4, rows=17)
    assert sums is not None
    alpha = 1e-4 * float((x - x.mean(dim=0)).square().sum()) / x.shape[1]
    theirs = Ridge(alpha=alpha, solver="svd").fit(x.numpy(), np.eye(4)[y])
    fit = ridge(sums, 1e-4)
    np.testing.assert_allclose(fit.predict(x), theirs.predict(x.numpy()), rtol=1e-6, atol=1e-9)


def test_every_tenth_item_of_a_class_is_held_out() -> None:
    labels = np.random.default_rng(0).integers(0, 5, 140)
    seen: Counter[int] = Counter()
    nth = []
    for label in labels.tolist():
        seen[label] += 1
        nth.append(seen[label])
    assert nth_of_class(torch.tensor(labels)).tolist() == nth
    assert held_out(torch.tensor(labels)).tolist() == [n % 10 == 0 for n in nth]


def test_ties_go_to_the_first_value_and_no_choice_to_the_default() -> None:
    assert best_value((0.1, 1.0, 10.0), {0.1: 50.0, 1.0: 75.0, 10.0: 75.0}.__getitem__) == 1.0
    assert best_value((1.0, 0.1), lambda _: 50.0) == 1.0
    assert default_value((0.01, 1.0, 10.0), 1.0) == 1.0
    assert [default_value(values, 1.0) for values in ((5.0,), (7.0, 5.0), (9.0, 5.0, 7.0))] == [5.0, 5.0, 7.0]


def test_ranks_equal_the_loop() -> None:
    scores = torch.randint(0, 4, (50, 6), generator=torch.Generator().manual_seed(0)).float()
    truth = torch.arange(50) % 7 - 1
    for row, label, rank in zip(scores.tolist(), truth.tolist(), rank_of_class(scores, truth).tolist(), strict=True):
        order = sorted(range(6), key=lambda k: (-row[k], k))
        assert rank == (order.index(label) if label >= 0 else 6)
