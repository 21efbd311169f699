"""Tests of the bootstrap against SciPy and loops."""

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


def test_intervals_equal_scipy(scores: np.ndarray) -> None:
    low, high = interval(resampled_means(scores, resamples=20_000))
    for column, values in enumerate(scores.T):
        oracle = stats.bootstrap(
            (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        )
        spread = values.std() / np.sqrt(len(values))
        assert low[column] == pytest.approx(oracle.confidence_interval.low, abs=0.15 * spread)
        assert high[column] == pytest.approx(oracle.confidence_interval.high, abs=0.15 * spread)


def test_every_column_uses_the_same_resamples(scores: np.ndarray) -> None:
    generator = np.random.default_rng(7)
    slow = [scores[generator.integers(0, len(scores), len(scores))].mean(axis=0) for _ in range(130)]
    assert resampled_means(scores, resamples=130, seed=7) == pytest.approx(np.array(slow))


def test_chunks_change_nothing(scores: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled_means(scores, resamples=120)
    monkeypatch.setattr(bootstrap, "WEIGHTS", 7 * len(scores))
    assert resampled_means(scores, resamples=120) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("most", [100, 1 << 23])
def test_whole_numbers_are_exact(most: int) -> None:
    """Up to sums of 2^24 they are added in single precision; above it that would lose units."""
    hits = most * (np.random.default_rng(0).random((500, 40)) < 0.7).astype(np.float64)
    generator = np.random.default_rng(0)
    slow = [hits[generator.integers(0, 500, 500)].sum(axis=0) / 500 for _ in range(30)]
    assert np.array_equal(resampled_means(hits, resamples=30), slow)


def test_fractions_are_not_added_in_single_precision() -> None:
    """One alone among whole numbers is enough."""
    mixed = np.full((1000, 2), 100.0)
    mixed[500, 1] += 1e-7
    generator = np.random.default_rng(0)
    slow = [mixed[generator.integers(0, 1000, 1000)].mean(axis=0) for _ in range(50)]
    assert resampled_means(mixed, resamples=50) == pytest.approx(np.array(slow), rel=1e-14)


def test_tied_means_that_the_interval_contains_0() -> None:
    """Of gaps about 0 and far from it, whichever way it is found out."""
    generator = np.random.default_rng(1)
    for resamples in (2, 41, 161, 1000, 1001):
        centres = np.concatenate([[0], np.linspace(-3, 3, 999)])
        means = generator.normal(centres, 1, (resamples, 1000))
        means[:, 0] = 0
        means[: resamples // 2, 1:50] = 0
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        found = tied(means, 0)
        assert found.tolist() == ((low <= 0) & (high >= 0)).tolist()
        assert resamples == 2 or 0 < found.sum() < 1000


def test_without_units_there_is_no_mean() -> None:
    with pytest.raises(ValueError, match="no units"):
        resampled_means(np.empty((0, 2)))


def test_pairing_separates_models_whose_intervals_overlap() -> None:
    noise = np.random.default_rng(0).normal(0, 10, 200)
    means = resampled_means(np.stack([noise, noise - 0.1, noise + np.random.default_rng(1).normal(0, 5, 200)], axis=1))
    low, high = interval(means)
    assert low[0] < high[1], "their intervals overlap"
    assert tied(means, 0).tolist() == [True, False, True]


def test_wins_are_shares_of_the_resamples() -> None:
    bests = np.random.default_rng(0).integers(0, 4, (500, 3)).astype(float)
    counted = [0.0, 0.0, 0.0]
    for row in bests:
        first = [place for place, value in enumerate(row) if value == max(row)]
        for place in first:
            counted[place] += 1 / len(first) / len(bests)
    assert wins(bests) == pytest.approx(counted)
    assert wins(bests).sum() == pytest.approx(1)
