"""Attention distance against four nested loops."""

import numpy as np
import pytest
import torch

from teachmatters.measures.attention import attention_distance, patch_distances
from tests import oracles


def random_attention(tokens: int, heads: int = 2, batch: int = 2, sharpness: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    return (sharpness * torch.randn(batch, heads, tokens, tokens, generator=generator)).softmax(dim=-1)


@pytest.mark.parametrize(
    ("grid", "prefix"), [((3, 3), 1), ((2, 5), 1), ((5, 2), 0), ((3, 4), 5), ((1, 4), 1), ((1, 1), 1)]
)
def test_equals_the_loop(grid: tuple[int, int], prefix: int) -> None:
    attention = random_attention(grid[0] * grid[1] + prefix)
    distance, empty = attention_distance(attention, patch_distances(grid))
    expected = [[oracles.attention_distance(head, grid) for head in image] for image in attention.double().numpy()]
    np.testing.assert_allclose(distance.numpy(), expected, rtol=1e-5, atol=1e-7)
    assert int(empty) == 0


def test_a_row_without_mass_counts_as_zero_and_is_counted() -> None:
    attention = random_attention(5, batch=1, heads=1)
    attention[0, 0, 2] = torch.tensor([1.0, 0, 0, 0, 0])  # a patch that looks at the class token alone
    distance, empty = attention_distance(attention, patch_distances((2, 2)))
    expected = oracles.attention_distance(attention[0, 0].double().numpy(), (2, 2))
    assert distance.item() == pytest.approx(expected, rel=1e-6)
    assert int(empty) == 1


def test_uniform_attention_has_the_mean_distance_between_patches() -> None:
    uniform = torch.full((1, 1, 17, 17), 1 / 17)
    distance, _ = attention_distance(uniform, patch_distances((4, 4)))
    points = [(x / 3, y / 3) for y in range(4) for x in range(4)]
    mean = np.mean([np.hypot(a[0] - b[0], a[1] - b[1]) for a in points for b in points])
    assert distance.item() == pytest.approx(mean, rel=1e-6)


def test_looking_one_patch_to_the_right_is_one_patch_away() -> None:
    shift = torch.zeros(1, 1, 9, 9)
    for i in range(9):
        shift[0, 0, i, i + 1 if i % 3 < 2 else i] = 1
    distance, _ = attention_distance(shift, patch_distances((3, 3)))
    assert distance.item() == pytest.approx(6 / 9 * 0.5)
