"""Types of heads on attention that was made to be of that type, on several grids."""

from collections.abc import Callable

import pytest
import torch

from teachmatters.measures.attention.heads import TYPES, classify, name_head, soft_reach
from tests.measures.attention.test_aligned import aligned

GRIDS = [(8, 8), (14, 14), (8, 16), (28, 28)]
Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def attention_of(grid: tuple[int, int], score: Score, background: float = 0.0) -> torch.Tensor:
    """(1, 1, N, N): a softmax of some function of the displacement (down, right), mixed with even attention."""
    y, x = (each.flatten().double() for each in torch.meshgrid(*map(torch.arange, grid), indexing="ij"))
    attention = score(y[None] - y[:, None], x[None] - x[:, None]).softmax(dim=-1)
    return ((1 - background) * attention + background / len(x))[None, None]


def blob(spread_y: float, spread_x: float, down: float = 0, right: float = 0) -> Score:
    return lambda y, x: -0.5 * (((y - down) / spread_y) ** 2 + ((x - right) / spread_x) ** 2)


def kind(grid: tuple[int, int], score: Score, background: float = 0.0) -> str:
    name, strength = classify(aligned(attention_of(grid, score, background), grid)[0])
    assert 0.5 <= strength <= 1 + 1e-9
    assert name in TYPES
    return name


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("background", [0.0, 0.3])
def test_each_type_on_attention_of_that_type(grid: tuple[int, int], background: float) -> None:
    soft = max(2.0, 0.6 * soft_reach((2 * grid[0] - 1, 2 * grid[1] - 1)))
    far = 1e6
    assert kind(grid, blob(0.1, 0.1), background) == "strict-local"
    assert kind(grid, blob(0.7, 0.7), background) == "strict-local"
    assert kind(grid, blob(soft, soft), background) == "soft-local"
    assert kind(grid, blob(0.7, far), background) == "axial-horizontal"
    assert kind(grid, blob(far, 0.7), background) == "axial-vertical"
    assert kind(grid, blob(0.5, 0.5, right=1), background) == "offset-local"
    assert kind(grid, blob(0.5, 0.5, down=-2, right=2), background) == "offset-local"
    assert kind(grid, blob(far, far), background) == "global"


@pytest.mark.parametrize("grid", [(14, 14), (28, 28)])
def test_blobs_that_lie_aside(grid: tuple[int, int]) -> None:
    reach = soft_reach((2 * grid[0] - 1, 2 * grid[1] - 1))
    assert kind(grid, blob(1.5, 1.5, right=reach)) == "offset-local", "not tight, but well aside"
    assert kind(grid, blob(2.0, 2.0, right=0.3)) == "soft-local"
    assert kind(grid, blob(0.7, 0.7, right=0.3)) == "strict-local", "less than half a patch"


def test_axial_heads_may_look_along_another_row() -> None:
    assert kind((14, 14), blob(0.7, 1e6, down=-4)) == "axial-horizontal"
    assert kind((14, 14), blob(1e6, 0.7, right=3)) == "axial-vertical"


def test_longer_blobs_turn_axial() -> None:
    names = [kind((14, 14), blob(1.0, spread)) for spread in (1.0, 2.5, 5.0)]
    assert names == ["strict-local", "soft-local", "axial-horizontal"]


@pytest.mark.parametrize("side", [4, 5, 7, 10, 16, 37])
def test_even_attention_is_global_on_every_grid(side: int) -> None:
    assert kind((side, side), blob(1e6, 1e6)) == "global"


def test_the_evidence_is_the_share_times_what_the_halves_have_in_common() -> None:
    grid = (14, 14)
    one, other = (aligned(attention_of(grid, blob(0.7, 0.7, right=right)), grid)[0] for right in (0, 6))
    same = name_head(one, one)
    assert same.name == "strict-local"
    assert same.evidence == pytest.approx(classify(one)[1])
    mostly = name_head(one, one + 0.1 * other)
    common = torch.minimum(one / one.sum(), (one + 0.1 * other) / (one + 0.1 * other).sum()).sum()
    share = classify((2 * one + 0.1 * other) / (2 * one + 0.1 * other).sum())[1]
    assert mostly.evidence == pytest.approx(float(share * common))
    assert mostly.evidence < same.evidence


def test_random_attention_has_evidence_within_bounds() -> None:
    generator = torch.Generator().manual_seed(0)
    for sharpness in (0.1, 1, 10):
        maps = [(sharpness * torch.randn(27 * 27, generator=generator)).softmax(0).view(27, 27) for _ in range(2)]
        found = name_head(*maps)
        assert found.name in TYPES
        assert 0 <= found.evidence <= 1
