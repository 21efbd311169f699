"""Tests of retrieval scores against the trapezoid by hand and a loop over one ranking."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch

from teachmatters.measures.tasks import retrieval
from teachmatters.measures.tasks.retrieval import average_precision, chance_precision, precision_at, ranking
from tests import task_oracles as oracles


def flags(count: int, *where: int) -> torch.Tensor:
    return torch.tensor([[i in where for i in range(count)]])


def test_trapezoid_by_hand() -> None:
    """Positives at ranks 0, 2 and 5 of six: precision falls from 1 at the first, the trapezoids follow."""
    order = torch.arange(6)[None]
    expected = ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2 + (2 / 5 + 3 / 6) / 2) / 3
    assert average_precision(order, flags(6, 0, 2, 5), flags(6)).item() == pytest.approx(expected, abs=1e-12)


def test_junk_leaves_the_ranking() -> None:
    """Without the junk at ranks 0 and 2, the positives stand at 0 and 1; junk after the last changes nothing."""
    order = torch.arange(6)[None]
    assert average_precision(order, flags(6, 1, 3), flags(6, 0, 2, 5)).item() == 1.0
    at = precision_at(order, flags(6, 1, 4), flags(6, 0, 2), [1, 5])
    assert [at[1].item(), at[5].item()] == [1.0, pytest.approx(2 / 3)]


def test_precision_ends_at_the_last_positive() -> None:
    at = precision_at(torch.arange(8)[None], flags(8, 0, 3), flags(8), [1, 5, 10])
    assert [at[k].item() for k in (1, 5, 10)] == [1.0, 0.5, 0.5]


def test_an_image_that_is_positive_and_junk_is_positive() -> None:
    assert average_precision(torch.arange(2)[None], flags(2, 0), flags(2, 0)).item() == 1.0


@pytest.mark.parametrize("at_once", [1, 70, 10**6])  # one query, two of nine, all
def test_scores_equal_the_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "RANKED_AT_ONCE", at_once)
    generator = np.random.default_rng(5)
    queries, gallery = generator.standard_normal((9, 4)), generator.standard_normal((30, 4))
    kind = generator.integers(0, 4, (9, 30))  # 0 positive, 1 junk
    order = ranking(torch.tensor(queries), torch.split(torch.tensor(gallery), 7))
    positive, junk = torch.tensor(kind == 0), torch.tensor(kind == 1)
    found, at = average_precision(order, positive, junk), precision_at(order, positive, junk, [1, 5, 10])
    for i in range(9):
        cosine = gallery @ queries[i] / np.linalg.norm(gallery, axis=1)
        names = sorted(range(30), key=lambda j: -cosine[j])
        area, precision = oracles.retrieval(names, set(np.flatnonzero(kind[i] == 0)), set(np.flatnonzero(kind[i] == 1)))
        assert found[i].item() == pytest.approx(area, abs=1e-12)
        assert {k: each[i].item() for k, each in at.items()} == pytest.approx(precision)


@pytest.mark.parametrize("positive", [(0,), (0, 3), (0, 1, 2, 3, 4, 5)])
def test_chance_is_the_mean_over_all_rankings(positive: tuple[int, ...]) -> None:
    junk = {0, 6}  # of which one is positive too
    areas = [oracles.retrieval(list(order), set(positive), junk)[0] for order in permutations(range(7))]
    found = chance_precision(flags(7, *positive), flags(7, *junk))
    assert found.item() == pytest.approx(np.mean(areas), abs=1e-12)


def test_a_query_without_positives_has_no_score() -> None:
    assert math.isnan(chance_precision(flags(4), flags(4)).item())
    order, both = torch.arange(4).expand(2, 4), torch.cat([flags(4), flags(4, 1)])
    area, at = average_precision(order, both, torch.zeros_like(both)), precision_at(order, both, ~both, [5])[5]
    assert math.isnan(area[0])
    assert math.isnan(at[0])
    assert area[1].isfinite()
    assert at[1].item() == 1.0


def test_the_lower_index_of_equal_similarities_comes_first() -> None:
    a, b = [1.0, 0.0], [0.0, 1.0]
    assert ranking(torch.tensor([a, b]), torch.split(torch.tensor([b, a, b, a] * 20), 30))[0, :4].tolist() == [
        1,
        3,
        5,
        7,
    ]
