"""Tests of aligned attention against a loop over queries and keys."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from teachmatters.measures.attention.aligned import AlignedSum, offset
from tests import oracles
from tests.measures.attention.test_attention import SHAPES, random_attention, spatial_factors, with_an_empty_row


def aligned(attention: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """(B, H, T, T) -> (H, 2h-1, 2w-1), the mean over images and queries, in blocks, each image for itself."""
    patches = grid[0] * grid[1]
    total = AlignedSum(len(attention), attention.shape[1], grid, attention.device)
    factors, rows = spatial_factors(attention, patches), attention[..., -patches:, -patches:]
    half = max(1, grid[1] // 2)  # the first row of the grid in two blocks, all others in one
    for first, end in pairwise(sorted({0, half, grid[1], patches})):
        for image in range(len(attention)):
            total.add(rows[image, None, :, first:end], factors[image, None, :, first:end], first, image)
    return total.maps().mean(dim=0) / patches


def shifted(grid: tuple[int, int], down: int, right: int) -> torch.Tensor:
    """(1, 1, T, T): every patch looks exactly that far; where that is outside, at the class token."""
    rows, columns = grid
    attention = torch.zeros(1, 1, 1 + rows * columns, 1 + rows * columns)
    for y in range(rows):
        for x in range(columns):
            inside = 0 <= y + down < rows and 0 <= x + right < columns
            key = 1 + (y + down) * columns + x + right if inside else 0
            attention[0, 0, 1 + y * columns + x, key] = 1
    return attention


@pytest.mark.parametrize(("grid", "prefix"), [*SHAPES, ((1, 1), 1)])
def test_equals_the_loop(grid: tuple[int, int], prefix: int) -> None:
    attention = random_attention(grid[0] * grid[1] + prefix)
    expected = np.mean(
        [[oracles.aligned_map(head, grid) for head in image] for image in attention.double().numpy()], axis=0
    )
    found = aligned(attention, grid)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.sum(dim=(1, 2)).tolist() == pytest.approx([1.0, 1.0])
    offsets = np.array([oracles.attention_offset(head) for head in expected])
    np.testing.assert_allclose(torch.stack(offset(found), dim=1), offsets, atol=1e-6)


@pytest.mark.parametrize("grid", [(4, 3), (4, 1)])
def test_images_that_are_added_together(grid: tuple[int, int]) -> None:
    """The blocks are the first row of the grid, the two in the middle, and the last."""
    patches, wide = grid[0] * grid[1], grid[1]
    attention = random_attention(patches, batch=3)
    total, factors = AlignedSum(3, 2, grid, attention.device), spatial_factors(attention, patches)
    for first, end in pairwise((0, wide, 3 * wide, patches)):
        total.add(attention[:1, :, first:end], factors[:1, :, first:end], first, 0)
        total.add(attention[1:, :, first:end], factors[1:, :, first:end], first, 1)
    each = np.array([[oracles.aligned_map(head, grid) for head in image] for image in attention.double().numpy()])
    np.testing.assert_allclose(total.maps() / patches, each, rtol=1e-5, atol=1e-7)


def test_a_row_without_mass_adds_nothing() -> None:
    attention = with_an_empty_row()
    found = aligned(attention, (2, 2))
    expected = [oracles.aligned_map(head, (2, 2)) for head in attention[0].double().numpy()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[0].sum().item() == pytest.approx(3 / 4)


@pytest.mark.parametrize("grid", [(4, 4), (3, 6)])
@pytest.mark.parametrize(("down", "right"), [(0, 0), (0, 1), (-1, 2), (2, -1)])
def test_a_pure_shift_gives_exactly_that_offset(grid: tuple[int, int], down: int, right: int) -> None:
    x, y = offset(aligned(shifted(grid, down, right), grid))
    assert (x.item(), y.item()) == pytest.approx((right / (grid[1] - 1), down / (grid[0] - 1)), abs=1e-12)


def test_uniform_attention_is_centred() -> None:
    x, y = offset(aligned(torch.full((2, 1, 13, 13), 1 / 13), (3, 4)))
    assert (x.item(), y.item()) == pytest.approx((0.0, 0.0), abs=1e-7)


def test_a_head_that_attends_to_no_patch_has_no_offset() -> None:
    assert all(each.isnan().all() for each in offset(torch.zeros(2, 5, 5)))
