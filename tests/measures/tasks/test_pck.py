from __future__ import annotations

import numpy as np
import pytest

from teachmatters.measures.tasks.pck import correct, share_by


def test_the_limit_itself_is_correct_for_the_official_evaluation_only() -> None:
    distance, size = np.array([[4.99, 5.0, 5.01], [0.0, 10.0, 1.0]]), np.array([50.0, 50.0, 50.0])
    assert correct(distance, size, 0.1, inclusive=False).tolist() == [[True, False, False], [True, False, True]]
    assert correct(distance, size, 0.1, inclusive=True).tolist() == [[True, True, False], [True, False, True]]


def test_each_keypoint_has_the_size_of_its_own_target() -> None:
    assert correct(np.array([3.0, 3.0]), np.array([20.0, 40.0]), 0.1, inclusive=True).tolist() == [False, True]


def test_shares_equal_a_loop() -> None:
    generator = np.random.default_rng(0)
    hits, group = generator.integers(0, 2, (3, 50)).astype(bool), generator.choice([1, 4, 9], 50)
    for layer, row in enumerate(share_by(hits, group)):
        expected = [np.mean([h for h, g in zip(hits[layer], group, strict=True) if g == name]) for name in (1, 4, 9)]
        assert row.tolist() == pytest.approx(expected)
