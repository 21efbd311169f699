"""Tests of head types on attention generated for each type, on several grids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from teachmatters.measures.attention.heads import TYPES, MapType, agreement, classify
from tests.measures.attention.test_aligned import aligned

GRIDS = [(8, 8), (14, 14), (8, 16), (28, 28)]
FAR = 1e6
Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def attention_of(grid: tuple[int, int], score: Score, background: float = 0.0) -> torch.Tensor:
    """(1, 1, N, N): a softmax of some function of the displacement (down, right), mixed with even attention."""
    y, x = (each.flatten().double() for each in torch.meshgrid(*map(torch.arange, grid), indexing="ij"))
    attention = score(y[None] - y[:, None], x[None] - x[:, None]).softmax(dim=-1)
    return ((1 - background) * attention + background / len(x))[None, None]


def blob(spread_y: float, spread_x: float, down: float = 0, right: float = 0) -> Score:
    return lambda y, x: -0.5 * (((y - down) / spread_y) ** 2 + ((x - right) / spread_x) ** 2)


def found(grid: tuple[int, int], score: Score, background: float = 0.0) -> MapType:
    one = classify(aligned(attention_of(grid, score, background), grid)[0])
    assert one.name in TYPES
    assert 0 <= one.share <= 1
    assert 0 <= one.margin <= 1
    return one


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("background", [0.0, 0.3])
def test_each_type_on_attention_of_that_type(grid: tuple[int, int], background: float) -> None:
    unit = max(1.0, min(grid) / 14)  # one patch of a 14 x 14 grid, in patches of this one

    def kind(*spread: float, **shift: float) -> str:
        return found(grid, blob(*spread, **shift), background).name

    assert kind(0.1, 0.1) == "self"
    assert kind(0.7 * unit, 0.7 * unit) == "strict-local"
    assert kind(1.7 * unit, 1.7 * unit) == "soft-local"
    assert kind(0.6 * unit, FAR) == "axial-horizontal"
    assert kind(FAR, 0.6 * unit) == "axial-vertical"
    assert kind(0.5 * unit, 0.5 * unit, right=unit) == "offset-local"
    assert kind(0.5 * unit, 0.5 * unit, down=-2 * unit, right=2 * unit) == "offset-local"
    assert kind(FAR, FAR) == "global"


@pytest.mark.parametrize("score", [blob(0.07, 0.07, right=0.07), blob(0.12, 0.12), blob(0.06, 0.03), blob(0.04, FAR)])
def test_the_same_attention_on_the_image_has_one_type_at_all_resolutions(score: Score) -> None:
    """Displacements are shares of the side here, so a finer grid spreads the same attention over more patches."""

    def on(side: int) -> MapType:
        return found((side, side), lambda y, x: score(y / side, x / side))

    sides = (14, 16, 28, 37)
    maps = [on(side) for side in sides]
    assert len({one.name for one in maps}) == 1
    shares = [one.share for one in maps]
    assert max(shares) - min(shares) < 0.05
    offsets = [one.x / side for one, side in zip(maps, sides, strict=True)]
    assert max(offsets) - min(offsets) < 0.01


@pytest.mark.parametrize("side", [16, 37])
def test_a_head_that_prefers_its_own_patch_a_hundred_times_is_self(side: int) -> None:
    for times, kind in ((90, "global"), (110, "self")):
        own = torch.eye(side * side).double() * (times - 1) + 1
        rows = (own / own.sum(dim=1, keepdim=True))[None, None]
        one = classify(aligned(rows, (side, side))[0])
        assert one.name == kind
        assert one.share == pytest.approx(times / (times + side**2 - 1)) or kind == "global"


def test_a_patch_aside_on_one_side_is_offset() -> None:
    grid = (14, 14)
    assert found(grid, blob(0.7, 0.7, right=0.3)).name == "strict-local", "less than half a patch"
    assert found(grid, blob(2.0, 2.0, right=0.4)).name == "soft-local"
    assert found(grid, blob(2.0, 2.0, down=2.0)).name == "offset-local", "not tight, but well aside"
    both = (aligned(attention_of(grid, blob(0.5, 0.5, right=r)), grid)[0] for r in (-2, 2))
    assert classify(sum(both, torch.zeros(27, 27))).name != "offset-local", "two patches aside, but on both sides"


def test_the_offset_is_that_of_the_region() -> None:
    """A little attention far to the left pulls the whole map's centre, not the region's."""
    attention = torch.zeros(27, 27)
    attention[12, 15], attention[13, 7] = 0.85, 0.15
    one = classify(attention)
    assert one.name == "offset-local"
    assert [one.x, one.y] == pytest.approx([2, -1])


def test_axial_heads_may_look_along_another_row() -> None:
    assert found((14, 14), blob(0.6, FAR, down=-4)).name == "axial-horizontal"
    assert found((14, 14), blob(FAR, 0.6, right=3)).name == "axial-vertical"


def test_longer_blobs_turn_axial() -> None:
    names = [found((14, 14), blob(1.0, spread)).name for spread in (0.9, 2.5, 6.0)]
    assert names == ["strict-local", "soft-local", "axial-horizontal"]


@pytest.mark.parametrize("side", [4, 5, 7, 10, 16, 37])
def test_even_attention_is_global_on_every_grid(side: int) -> None:
    one = found((side, side), blob(FAR, FAR))
    assert one.name == "global"
    assert one.margin > 0.1, "far from every threshold"


def slow_share(one: NDArray[np.float64], half: float) -> float:
    """The most that a square of this half width around a patch holds, patch by patch and with parts of patches."""
    count = len(one)
    best = 0.0
    for y in range(count):
        for x in range(count):
            total = 0.0
            for v in range(count):
                for u in range(count):
                    part = [max(0.0, min(p + 0.5, m + half) - max(p - 0.5, m - half)) for p, m in ((v, y), (u, x))]
                    total += part[0] * part[1] * one[v, u]
            best = max(best, total)
    return best


def test_shares_equal_the_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    for side in (4, 7):
        one = torch.rand(2 * side - 1, 2 * side - 1, generator=generator, dtype=torch.float64) ** 2
        kind = classify(3 * one)
        assert kind.name == "global"
        assert 1 - kind.share == pytest.approx(slow_share((one / one.sum()).numpy(), max(1.5, side * 4 / 14)))


def test_the_margin_is_the_least_change_that_alters_the_type() -> None:
    """Of a local head it is what the square lacks or has to spare of one half."""
    shares = []
    for background in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        one = found((14, 14), blob(1.6, 1.6), background)
        spare = (one.share if one.name == "soft-local" else 1 - one.share) - 0.5
        assert one.margin <= abs(spare) + 1e-12
        shares.append((one.name, round(one.margin, 3), round(abs(spare), 3)))
    assert {name for name, _, _ in shares} == {"soft-local", "global"}
    assert any(margin == spare for _, margin, spare in shares)


def test_agreement_is_the_mass_in_common() -> None:
    grid = (14, 14)
    one, other = (aligned(attention_of(grid, blob(0.7, 0.7, right=right)), grid)[0] for right in (0, 6))
    assert agreement(one, 2 * one) == pytest.approx(1)
    mixed = one + 0.1 * other
    expected = np.minimum((one / one.sum()).numpy(), (mixed / mixed.sum()).numpy()).sum()
    assert agreement(one, mixed) == pytest.approx(float(expected))
    assert agreement(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])) == 0


def test_maps_are_not_modified() -> None:
    one = torch.rand(9, 9, dtype=torch.float64)
    before = one.clone()
    classify(one)
    agreement(one, one)
    assert torch.equal(one, before)
