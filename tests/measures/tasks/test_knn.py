"""Tests of k-NN against a loop over queries, with ties, negative cosines and missing classes."""

from itertools import combinations

import numpy as np
import pytest
import torch

from teachmatters.measures.tasks.knn import chance, nearest, rank_of_truth
from tests import oracles


def blocks(gallery: torch.Tensor, size: int) -> list[torch.Tensor]:
    return list(torch.split(gallery, size))


@pytest.mark.parametrize("block", [1, 7, 40, 100])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_vote_equals_the_loop(block: int, k: int) -> None:
    generator = np.random.default_rng(3)
    queries, gallery = generator.standard_normal((23, 6)), generator.standard_normal((40, 6))
    labels, truth = generator.integers(0, 4, 40), generator.integers(0, 7, 23)  # classes 4 to 6 are in no gallery
    similarity, index = nearest(torch.tensor(queries), blocks(torch.tensor(gallery), block), k)
    assert similarity.shape == index.shape == (23, k)
    ranks = rank_of_truth(similarity, torch.tensor(labels)[index], torch.tensor(truth), 7, [k], 0.07)
    for top in (1, 5):
        expected = oracles.knn_right(queries, gallery, labels.tolist(), truth.tolist(), 7, k, top)
        assert (ranks[k] < top).tolist() == expected


@pytest.mark.parametrize("block", [1, 2, 3, 8])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_the_lower_index_of_equal_similarities_is_taken(block: int, k: int) -> None:
    a, b = [1.0, 0.0], [0.0, 1.0]
    gallery = torch.tensor([b, a, a, b, a, b, a, a])  # to query a: five exact ties, then three
    _, index = nearest(torch.tensor([a]), blocks(gallery, block), k)
    assert index[0].tolist() == [1, 2, 4, 6, 7, 0, 3, 5][:k]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_large_gallery_is_searched_in_pieces_with_the_same_ties(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.measures.tasks.knn.PIECE", 4)
    generator = torch.Generator().manual_seed(k)
    gallery = torch.randint(-2, 3, (130, 2), generator=generator).float() + 0.5  # many equal directions, no zero
    queries = torch.randn(20, 2, generator=generator)
    similarity, index = nearest(queries, [gallery], k)
    cosine = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(gallery, dim=1).T
    assert (cosine.sort(dim=1, descending=True).values.diff(dim=1) == 0).any()
    for row, found, values in zip(cosine.tolist(), index.tolist(), similarity.tolist(), strict=True):
        assert found == sorted(range(130), key=lambda i: (-row[i], i))[:k]
        assert values == [row[i] for i in found]


def test_the_lower_class_of_equal_votes_comes_first() -> None:
    similarity, labels = torch.tensor([[0.5, 0.5]]), torch.tensor([[2, 1]])
    for truth, rank in ((1, 0), (2, 1), (0, 2), (3, 3)):
        assert rank_of_truth(similarity, labels, torch.tensor([truth]), 4, [2], 0.07)[2].item() == rank


def test_a_small_temperature_does_not_overflow() -> None:
    similarity, labels = torch.tensor([[0.99, 0.98, 0.97]]), torch.tensor([[1, 1, 0]])
    for temperature in (0.07, 1e-3, 1e-6):
        assert rank_of_truth(similarity, labels, torch.tensor([1]), 2, [3], temperature)[3].item() == 0


def test_several_k_at_once_equal_each_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = torch.randn(50, 8, generator=generator), torch.randn(60, 8, generator=generator)
    labels, truth = torch.arange(60) % 9, torch.arange(50) % 9
    similarity, index = nearest(queries, [gallery], 30)
    together = rank_of_truth(similarity, labels[index], truth, 9, [30, 3, 10], 0.07)
    for k in (3, 10, 30):
        alone = rank_of_truth(similarity[:, :k], labels[index][:, :k], truth, 9, [k], 0.07)
        assert torch.equal(together[k], alone[k])


def test_no_queries() -> None:
    similarity, index = nearest(torch.empty(0, 4), [torch.randn(5, 4)], 2)
    assert similarity.shape == index.shape == (0, 2)


def test_with_one_class_everything_is_correct() -> None:
    similarity, index = nearest(torch.randn(4, 3), [torch.randn(5, 3)], 5)
    ranks = rank_of_truth(similarity, torch.zeros_like(index), torch.zeros(4, dtype=torch.int64), 1, [1, 5], 0.07)
    assert [rank.tolist() for rank in ranks.values()] == [[0] * 4, [0] * 4]


def test_chance_is_the_share_of_draws_that_hold_the_class() -> None:
    truth, labels = torch.tensor([1, 2, 9]), torch.tensor([1, 1, 2, 4, 5])
    for top in (1, 3, 4, 5):
        draws = list(combinations((1, 2, 4, 5), min(top, 4)))
        expected = [sum(label in draw for draw in draws) / len(draws) for label in truth.tolist()]
        assert chance(truth, labels, top).tolist() == pytest.approx(expected)
