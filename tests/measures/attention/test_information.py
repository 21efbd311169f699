"""Tests of the mutual information of query and key against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from teachmatters.measures.attention.attention import row_entropy
from teachmatters.measures.attention.information import normalised_information, row_information
from tests import oracles
from tests.measures.attention.test_attention import SHAPES, random_attention


def information(attention: torch.Tensor, patches: int, block: int) -> torch.Tensor:
    """(B, H, T, T) -> (B, H), from unnormalised rows in blocks of so many queries."""
    spatial = attention[..., -patches:, -patches:]
    mass = spatial.sum(dim=-1)
    factors = torch.where(mass > 0, 1 / mass, 0.0)
    blocks = zip(*(torch.split(each, block, dim=2) for each in (row_entropy(spatial), mass, factors)), strict=True)
    total = sum((row_information(*each) for each in blocks), torch.zeros(()))
    return normalised_information(total, (spatial * factors[..., None]).sum(dim=-2))


@pytest.mark.parametrize(("grid", "prefix"), SHAPES)
@pytest.mark.parametrize("sharpness", [0.05, 3.0, 30.0])
def test_equals_scikit_learn(grid: tuple[int, int], prefix: int, sharpness: float) -> None:
    patches = grid[0] * grid[1]
    attention = random_attention(patches + prefix, sharpness=sharpness)
    expected = [[oracles.normalised_information(h, patches) for h in image] for image in attention.double().numpy()]
    for block in (1, patches):
        found = information(attention, patches, block)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_ends_of_the_range() -> None:
    def of(rows: torch.Tensor) -> float:
        return information(rows[None, None], len(rows), 3).item()

    assert of(torch.eye(9)) == pytest.approx(1)
    assert of(torch.eye(9).flip(0)) == pytest.approx(1), "any other key will do"
    assert of(torch.rand(1, 9, generator=torch.Generator().manual_seed(0)).expand(9, 9)) == pytest.approx(0, abs=1e-7)
    assert of(torch.eye(9)[:1].expand(9, 9)) == 0, "all on one key: its entropy is 0"


def test_a_row_without_mass_gives_no_number() -> None:
    rows = torch.eye(6).repeat(1, 2, 1, 1)
    rows[0, 1, 4] = 0
    found = information(rows, 6, 2)
    assert found[0, 0] == pytest.approx(1)
    assert found[0, 1].isnan()


def test_nearly_even_attention_is_exact_on_a_large_grid() -> None:
    rows = (1e-2 * torch.randn(400, 400, generator=torch.Generator().manual_seed(0))).softmax(dim=-1)
    expected = oracles.normalised_information(rows.double().numpy(), 400)
    assert 0 < expected < 1e-4
    assert information(rows[None, None], 400, 100).item() == pytest.approx(expected, rel=2e-3)
