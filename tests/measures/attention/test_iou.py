"""Tests of predicted masks and their overlap against sets of patches."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from teachmatters.measures.attention.iou import Reader, attention_read, expected_iou, heaviest, iou
from tests import mask_oracles as oracles

GRIDS = [((3, 3), 1), ((4, 4), 1), ((2, 5), 1), ((5, 2), 5), ((3, 4), 0), ((1, 1), 1)]


def random_attention(tokens: int, heads: int = 2, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    return (3 * torch.randn(batch, heads, tokens, tokens, generator=generator)).softmax(dim=-1)


def members(inside: torch.Tensor) -> set[int]:
    return set(inside.nonzero().flatten().tolist())


@pytest.mark.parametrize(("grid", "prefix"), GRIDS)
@pytest.mark.parametrize("reader", get_args(Reader))
def test_readers_equal_the_loop(grid: tuple[int, int], prefix: int, reader: Reader) -> None:
    attention = random_attention(grid[0] * grid[1] + prefix)
    expected = [[oracles.read(head, grid, reader) for head in image] for image in attention.double().numpy()]
    np.testing.assert_allclose(attention_read(attention, grid, reader).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("grid", "middle"), [((14, 14), 6 * 14 + 6), ((3, 3), 4), ((2, 5), 2), ((5, 2), 4)])
def test_the_middle_is_the_upper_left_one_of_several(grid: tuple[int, int], middle: int) -> None:
    patches = grid[0] * grid[1]
    number = torch.arange(patches + 1.0)[:, None].expand(1, 1, patches + 1, patches + 1)
    assert attention_read(number, grid, "center")[0, 0, 0] == middle + 1


@pytest.mark.parametrize("mass", [0.01, 0.3, 0.6, 0.9])
def test_the_smallest_set_that_holds_the_mass(mass: float) -> None:
    weights = random_attention(37)[:, :, :, 1:]
    inside, empty = heaviest(weights, mass)
    for row, found in zip(weights.reshape(-1, 36), inside.reshape(-1, 36), strict=True):
        assert members(found) == oracles.smallest_set(row.tolist(), mass)
    assert not empty.any()


def test_the_later_of_equal_weights_is_taken_first() -> None:
    """Eighths add up without rounding, so that every cut falls where it should."""
    weights = torch.randint(0, 4, (200, 8), generator=torch.Generator().manual_seed(0)).float()
    weights[:, 0] += 16 - weights.sum(dim=1)
    for mass in (0.25, 0.5, 0.75):
        for row, found in zip(weights, heaviest(weights, mass)[0], strict=True):
            assert members(found) == oracles.smallest_set(row.tolist(), mass)
    assert members(heaviest(torch.ones(8), 0.5)[0]) == {4, 5, 6, 7}


def test_a_row_without_weight_predicts_nothing_and_is_counted() -> None:
    inside, empty = heaviest(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), 0.6)
    assert inside.tolist() == [[False, False, False], [False, True, False]]
    assert empty.tolist() == [True, False]


def test_scale_changes_nothing() -> None:
    weights = random_attention(50)
    assert (heaviest(weights, 0.6)[0] == heaviest(weights * 1e-6, 0.6)[0]).all()


def test_iou_of_sets() -> None:
    generator = torch.Generator().manual_seed(1)
    predicted = torch.rand(30, 12, generator=generator) > 0.6
    truth = torch.rand(30, 12, generator=generator) > 0.5
    truth[:, 0] = True
    for a, b, value in zip(predicted, truth, iou(predicted, truth), strict=True):
        assert value == pytest.approx(len(members(a) & members(b)) / len(members(a) | members(b)))
    assert iou(truth, truth).tolist() == [1.0] * 30
    assert iou(~truth, truth).tolist() == [0.0] * 30


@pytest.mark.parametrize("patches", [1, 6, 196, 1369])
def test_the_iou_by_chance_equals_the_hypergeometric_mean(patches: int) -> None:
    step = max(1, patches // 5)
    sizes, truths = range(0, patches + 1, step), range(1, patches + 1, step)
    for truth in truths:
        found = expected_iou(torch.tensor(sizes), truth, patches)
        assert found.tolist() == pytest.approx([oracles.chance(size, truth, patches) for size in sizes], abs=1e-10)


def test_the_iou_by_chance_is_that_of_random_draws() -> None:
    rng, truth = np.random.default_rng(0), set(range(5))
    draws = [set(rng.choice(20, 8, replace=False).tolist()) for _ in range(4000)]
    mean = float(np.mean([len(draw & truth) / len(draw | truth) for draw in draws]))
    assert expected_iou(torch.tensor([8]), 5, 20).item() == pytest.approx(mean, abs=0.005)
    assert expected_iou(torch.tensor([20]), 5, 20).item() == pytest.approx(5 / 20), "all patches are no draw"
