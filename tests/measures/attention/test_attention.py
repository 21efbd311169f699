"""Tests of measures of one attention map against loops over its entries."""

import math

import numpy as np
import pytest
import torch

from teachmatters.measures.attention import attention as measures
from teachmatters.measures.moments import Moments
from tests import oracles

# Grids, some of them rectangular, and numbers of prefix tokens.
SHAPES = [((3, 3), 1), ((2, 5), 1), ((5, 2), 0), ((3, 4), 5), ((1, 4), 1)]


def random_attention(tokens: int, heads: int = 2, batch: int = 2, sharpness: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    return (sharpness * torch.randn(batch, heads, tokens, tokens, generator=generator)).softmax(dim=-1)


def distance(attention: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    patches = grid[0] * grid[1]
    table = measures.distance_table(grid, attention.shape[-1] - patches)
    mass, weighted = measures.spatial_sums(attention[..., -patches:, :], table)
    return measures.attention_distance(weighted, mass) / patches


def attention_entropy(attention: torch.Tensor, patches: int) -> torch.Tensor:
    return measures.row_entropy(attention[..., -patches:, :]).mean(dim=-1)


def position_deviation(attention: torch.Tensor, patches: int) -> torch.Tensor:
    """Read the queries in two blocks."""
    blocks = torch.split(attention[..., -patches:, :], [1, patches - 1], dim=-2)
    means = torch.stack([rows.mean(dim=2) for rows in blocks])
    squares = [measures.squared_deviations(rows, mean) for rows, mean in zip(blocks, means, strict=True)]
    return measures.position_deviation(Moments.joined([1, patches - 1], means, torch.stack(squares)), patches)


def head_deviation(attention: torch.Tensor, patches: int) -> torch.Tensor:
    return measures.head_deviation(attention[..., -patches:, :], patches) / patches


def spatial_factors(attention: torch.Tensor, patches: int) -> torch.Tensor:
    """Return the factors that renormalise the rows of the spatial queries."""
    return measures.inverse_mass(attention[..., -patches:, -patches:].sum(dim=-1))


def spatial_rows(attention: torch.Tensor, patches: int) -> torch.Tensor:
    return attention[..., -patches:, -patches:] * spatial_factors(attention, patches)[..., None]


def with_an_empty_row() -> torch.Tensor:
    attention = random_attention(5, batch=1)
    attention[0, 0, 2] = torch.tensor([1.0, 0, 0, 0, 0])  # a patch that looks at the class token alone
    return attention


@pytest.mark.parametrize(("grid", "prefix"), [*SHAPES, ((1, 1), 1)])
def test_distance_equals_the_loop(grid: tuple[int, int], prefix: int) -> None:
    attention = random_attention(grid[0] * grid[1] + prefix)
    expected = [[oracles.attention_distance(head, grid) for head in image] for image in attention.double().numpy()]
    np.testing.assert_allclose(distance(attention, grid).numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("sharpness", "side"), [(0.1, 14), (3.0, 14), (9.0, 14), (3.0, 37)])
def test_distance_of_many_patches_is_exact_to_seven_digits(sharpness: float, side: int) -> None:
    """196 squared terms: added one after the other in float32 they would be off in the sixth digit."""
    attention = random_attention(side**2 + 1, heads=1, batch=1, sharpness=sharpness)
    head = attention[0, 0, 1:, 1:].double()
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
    between = torch.hypot(*(places[:, None] - places).unbind(dim=-1)) / (side - 1)
    expected = ((head / head.sum(dim=1, keepdim=True)) * between).sum(dim=1).mean()
    assert distance(attention, (side, side)).item() == pytest.approx(expected.item(), rel=1e-7)


@pytest.mark.parametrize(("grid", "prefix"), SHAPES)
def test_the_other_numbers_equal_their_loops(grid: tuple[int, int], prefix: int) -> None:
    patches = grid[0] * grid[1]
    attention = random_attention(patches + prefix)
    each = attention.double().numpy()
    entropy = [[oracles.attention_entropy(head, patches) for head in image] for image in each]
    np.testing.assert_allclose(attention_entropy(attention, patches), entropy, rtol=1e-5)
    position = [[oracles.position_deviation(head, patches) for head in image] for image in each]
    np.testing.assert_allclose(position_deviation(attention, patches), position, rtol=1e-5)
    head = [oracles.head_deviation(image, patches) for image in each]
    np.testing.assert_allclose(head_deviation(attention, patches), head, rtol=1e-5)


@pytest.mark.parametrize(("grid", "prefix"), SHAPES)
def test_renormalised_rows_equal_the_loop(grid: tuple[int, int], prefix: int) -> None:
    attention = random_attention(grid[0] * grid[1] + prefix)
    rows = spatial_rows(attention, grid[0] * grid[1])
    expected = [[oracles.spatial_rows(head, grid) for head in image] for image in attention.double().numpy()]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_a_row_without_mass_counts_as_zero() -> None:
    attention = with_an_empty_row()
    assert spatial_rows(attention, 4)[0, 0, 1].tolist() == [0.0] * 4
    expected = [oracles.attention_distance(head, (2, 2)) for head in attention[0].double().numpy()]
    assert distance(attention, (2, 2))[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_the_other_numbers_of_a_row_without_mass() -> None:
    """It is a row like any other for them: all of it on the class token."""
    attention = with_an_empty_row()
    each = attention[0].double().numpy()
    entropy = [oracles.attention_entropy(head, 4) for head in each]
    assert attention_entropy(attention, 4)[0].tolist() == pytest.approx(entropy, rel=1e-6)
    deviation = [oracles.position_deviation(head, 4) for head in each]
    assert position_deviation(attention, 4)[0].tolist() == pytest.approx(deviation, rel=1e-6)


def test_uniform_attention() -> None:
    uniform = torch.full((1, 3, 17, 17), 1 / 17)
    points = [(x / 3, y / 3) for y in range(4) for x in range(4)]
    mean = np.mean([np.hypot(a[0] - b[0], a[1] - b[1]) for a in points for b in points])
    assert distance(uniform, (4, 4))[0, 0].item() == pytest.approx(mean, rel=1e-6)
    assert attention_entropy(uniform, 16)[0, 0].item() == pytest.approx(math.log(17), rel=1e-6)
    assert position_deviation(uniform, 16)[0, 0].item() == pytest.approx(0.0, abs=1e-8)
    assert head_deviation(uniform, 16).item() == pytest.approx(0.0, abs=1e-8)


def test_attention_on_the_query_itself() -> None:
    eye = torch.eye(10).expand(1, 2, 10, 10)
    assert distance(eye, (3, 3)).tolist() == [[0.0, 0.0]]
    assert attention_entropy(eye, 9).tolist() == [[0.0, 0.0]]
    assert position_deviation(eye, 9)[0, 0].item() == pytest.approx(1 / 3)  # one 1 among nine: sqrt((1 - 1/9) / 8)


def test_attention_one_patch_to_the_right_has_a_distance_of_one_patch() -> None:
    shift = torch.zeros(1, 1, 9, 9)
    for i in range(9):
        shift[0, 0, i, i + 1 if i % 3 < 2 else i] = 1
    assert distance(shift, (3, 3)).item() == pytest.approx(6 / 9 * 0.5)


def test_small_deviations_are_not_lost() -> None:
    """In float32 the square of a hundredth would hide a deviation of a millionth."""
    wave = 0.01 + 1e-6 * torch.sin(torch.arange(3 * 50 * 50).double()).view(1, 3, 50, 50)
    for measure in (position_deviation, head_deviation):
        np.testing.assert_allclose(measure(wave.float(), 49), measure(wave, 49), rtol=1e-3)


def test_inputs_are_not_modified() -> None:
    attention = random_attention(10)
    before = attention.clone()
    distance(attention, (3, 3))
    for measure in (attention_entropy, position_deviation, head_deviation):
        measure(attention, 9)
    assert torch.equal(attention, before)


def test_zero_weights_have_no_entropy_also_where_denormals_are_flushed() -> None:
    """As on Apple's GPUs, and on CPUs that were told so."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU cannot")
    try:
        entropy = attention_entropy(torch.eye(5)[None, None], 4)
    finally:
        torch.set_flush_denormal(False)
    assert entropy.tolist() == [[0.0]]
