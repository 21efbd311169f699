"""The bootstrap against SciPy's, and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from teachmatters.measures import bootstrap
from teachmatters.measures.bootstrap import interval, resampled_means, tied, wins


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    """Hits and misses, means with a long tail, negative ones."""
    generator = np.random.default_rng(3)
    columns = [generator.random(300) < 0.7, generator.exponential(2, 300), generator.normal(-1, 1, 300)]
    return np.stack(columns, axis=1).astype(np.float64)


def test_intervals_are_scipys(scores: np.ndarray) -> None:
    low, high = interval(resampled_means(scores, resamples=20_000))
    for column, values in enumerate(scores.T):
        oracle = stats.bootstrap(
            (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        )
        spread = values.std() / np.sqrt(len(values))
        assert low[column] == pytest.approx(oracle.confidence_interval.low, abs=0.15 * spread)
        assert high[column] == pytest.approx(oracle.confidence_interval.high, abs=0.15 * spread)


def test_the_same_units_for_every_column_one_resample_after_the_other(scores: np.ndarray) -> None:
    generator = np.random.default_rng(7)
    slow = [scores[generator.integers(0, len(scores), len(scores))].mean(axis=0) for _ in range(130)]
    assert resampled_means(scores, resamples=130, seed=7) == pytest.approx(np.array(slow))


def test_chunks_change_nothing(scores: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled_means(scores, resamples=120)
    monkeypatch.setattr(bootstrap, "CHUNK", 7)
    assert resampled_means(scores, resamples=120) == pytest.approx(whole, rel=1e-12)


def test_no_unit_is_no_mean() -> None:
    with pytest.raises(ValueError, match="no units"):
        resampled_means(np.empty((0, 2)))


def test_pairing_tells_apart_what_intervals_cannot() -> None:
    noise = np.random.default_rng(0).normal(0, 10, 200)
    means = resampled_means(np.stack([noise, noise - 0.1, noise + np.random.default_rng(1).normal(0, 5, 200)], axis=1))
    low, high = interval(means)
    assert low[0] < high[1], "their intervals overlap"
    assert tied(means, np.array([0, 0, 0])).tolist() == [True, False, True]


def test_wins_are_shares_of_the_resamples() -> None:
    bests = np.random.default_rng(0).integers(0, 4, (500, 3)).astype(float)
    counted = [0.0, 0.0, 0.0]
    for row in bests:
        first = [place for place, value in enumerate(row) if value == max(row)]
        for place in first:
            counted[place] += 1 / len(first) / len(bests)
    assert wins(bests) == pytest.approx(counted)
    assert wins(bests).sum() == pytest.approx(1)
