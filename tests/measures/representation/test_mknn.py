"""Tests of mutual nearest neighbours against sets and sorting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from teachmatters.measures.representation import mknn
from teachmatters.measures.representation.mknn import mutual, mutual_null, neighbours


def listed(x: np.ndarray[tuple[int, int], np.dtype[np.float64]], k: int) -> list[list[int]]:
    """By sorting all others, one image at a time; of equal ones the lower index."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    every = []
    for i in range(len(x)):
        cosines = unit @ unit[i]
        every.append(sorted((j for j in range(len(x)) if j != i), key=lambda j: (-round(cosines[j], 6), j))[:k])
    return every


@pytest.mark.parametrize("k", [1, 3, 10])
def test_neighbours_equal_sorting(k: int) -> None:
    x = np.random.default_rng(0).standard_normal((40, 6))
    assert neighbours(torch.tensor(x), k).tolist() == listed(x, k)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_duplicates_are_neighbours_of_each_other_but_not_of_themselves(k: int) -> None:
    a, b, c = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]
    x = np.array([a, a, b, a, c, b, a, a])
    assert neighbours(torch.tensor(x), k).tolist() == listed(x, k)


def test_shares_equal_sets() -> None:
    generator = np.random.default_rng(1)
    lists = [[listed(generator.standard_normal((25, 4)), 5) for _ in range(layers)] for layers in (3, 2)]
    shares = mutual(*(torch.tensor(each) for each in lists))
    assert shares.shape == (3, 2, 25)
    for a, one in enumerate(lists[0]):
        for b, two in enumerate(lists[1]):
            expected = [len(set(x) & set(y)) / 5 for x, y in zip(one, two, strict=True)]
            assert shares[a, b].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("table", [60, 2**25])
def test_the_null_equals_that_of_permuted_features(table: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mknn, "TABLE", table)
    generator = np.random.default_rng(2)
    first, second = ([generator.standard_normal((25, 4)) for _ in range(layers)] for layers in (3, 2))
    lists = [torch.tensor([listed(x, 5) for x in each]) for each in (first, second)]
    drawn = mutual_null(lists[0], lists[1], permutations=4, seed=3)
    orders = torch.Generator().manual_seed(3)
    for nth in range(4):
        order = torch.randperm(25, generator=orders).numpy()
        moved = torch.tensor([listed(x[order], 5) for x in second])
        assert torch.allclose(drawn[nth], mutual(lists[0], moved).mean(dim=-1))


def test_the_expected_overlap_of_random_neighbours() -> None:
    generator = torch.Generator().manual_seed(4)
    lists = neighbours(torch.randn(60, 8, generator=generator), 10)[None]
    drawn = mutual_null(lists, lists, 200, seed=0)[:, 0, 0]
    assert float(drawn.mean()) == pytest.approx(10 / 59, abs=4 * float(drawn.std()) / 200**0.5)
