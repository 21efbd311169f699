from __future__ import annotations

import numpy as np
import pytest
import torch

from teachmatters.measures.attention.attention_views import (
    POSITIONS,
    Views,
    attention_views,
    diagonal,
    in_words,
    patch_of,
)


def rows_by_hand(attention: np.ndarray, position: str, grid: tuple[int, int], where: dict[str, int]) -> np.ndarray:
    """One (T, T) map's answer, patch by patch."""
    rows, columns = grid
    prefix = len(attention) - rows * columns
    found = np.zeros(grid)
    for y in range(rows):
        for x in range(columns):
            key = prefix + y * columns + x
            if position == "cls":
                found[y, x] = attention[0, key]
            elif position == "spatial":
                found[y, x] = sum(attention[query, key] for query in range(prefix, len(attention))) / (rows * columns)
            elif position == "self":
                found[y, x] = attention[key, key]
            else:
                found[y, x] = attention[prefix + where[position], key]
    return found


@pytest.mark.parametrize(
    ("grid", "prefix", "where"),
    [
        ((4, 4), 1, {"top": 1, "left": 4, "center": 5, "right": 7, "bottom": 13, "2:3": 6}),
        ((3, 5), 1, {"top": 2, "left": 5, "center": 7, "right": 9, "bottom": 12, "3:1": 10}),
        ((5, 2), 5, {"top": 0, "left": 4, "center": 4, "right": 5, "bottom": 8, "5:2": 9}),
        ((1, 1), 0, {"top": 0, "left": 0, "center": 0, "right": 0, "bottom": 0, "1:1": 0}),
    ],
)
def test_every_view_against_a_loop(grid: tuple[int, int], prefix: int, where: dict[str, int]) -> None:
    """Even and odd, upright and lying grids, with a class token, with registers, without either."""
    tokens = prefix + grid[0] * grid[1]
    attention = torch.rand(2, 3, tokens, tokens, generator=torch.Generator().manual_seed(0)).softmax(-1)
    positions = [*(p for p in POSITIONS if prefix or p != "cls"), *(p for p in where if ":" in p)]
    views = attention_views(attention, positions, grid)
    assert views.shape == (2, 3, len(positions), *grid)
    for image in range(2):
        for head in range(3):
            for place, position in enumerate(positions):
                expected = rows_by_hand(attention[image, head].double().numpy(), position, grid, where)
                np.testing.assert_allclose(views[image, head, place].numpy(), expected, rtol=1e-6)
    assert {p: patch[0] * grid[1] + patch[1] for p in positions if (patch := patch_of(p, grid))} == where


def test_the_diagonal_goes_from_corner_to_corner() -> None:
    assert diagonal((14, 14)) == tuple(f"{n}:{n}" for n in range(1, 15))
    assert diagonal((3, 5)) == ("1:1", "2:3", "3:5")
    assert diagonal((1, 4)) == ("1:1",)


@pytest.fixture
def views() -> Views:
    maps = np.random.default_rng(0).random((2, 3, 4, 4, 5), dtype=np.float32)
    return Views(layers=(2, 7), heads=(1, 2, 5), positions=("center", "cls", "4:5", "spatial"), maps=maps)


def test_layers_by_heads_are_of_the_first_position(views: Views) -> None:
    grid = views.grid("layers-heads")
    assert (grid.name, grid.about) == ("layers-heads-center", "attention of the center patch")
    assert (grid.rows, grid.columns) == (("layer 2", "layer 7"), ("head 1", "head 2", "head 5"))
    assert np.array_equal(grid.maps, views.maps[:, :, 0])
    assert grid.marks == ((1, 2),) * 3
    assert grid.captions == (("[2, 1]", "[2, 2]", "[2, 5]"), ("[7, 1]", "[7, 2]", "[7, 5]"))


def test_heads_by_positions_are_of_the_last_layer(views: Views) -> None:
    grid = views.grid("heads-positions")
    assert (grid.name, grid.rows, grid.columns) == (
        "heads-positions-layer7",
        ("[7, 1]", "[7, 2]", "[7, 5]"),
        views.positions,
    )
    assert np.array_equal(grid.maps, views.maps[1])
    assert grid.marks == ((1, 2), None, (3, 4), None)


def test_layers_by_positions_are_the_mean_over_heads(views: Views) -> None:
    grid = views.grid("layers-positions")
    assert (grid.name, grid.about) == ("layers-positions", "attention, mean over heads 1, 2, 5")
    expected = (views.maps[:, 0] + views.maps[:, 1] + views.maps[:, 2]) / 3
    np.testing.assert_allclose(grid.maps, expected, rtol=1e-6)
    assert grid.marks == ((1, 2), None, (3, 4), None)


def test_the_title_says_what_the_mean_is_over() -> None:
    def about(*heads: int) -> str:
        maps = np.zeros((1, len(heads), 1, 2, 2), dtype=np.float32)
        return Views(layers=(1,), heads=heads, positions=("cls",), maps=maps).grid("layers-positions").about

    assert about(1, 2, 3) == "attention, mean over heads 1 to 3"
    assert about(4) == "attention of head 4"


def test_positions_in_words() -> None:
    assert [in_words(position) for position in ("cls", "spatial", "self", "left", "3:12")] == [
        "the class token",
        "all patches, averaged",
        "every patch to itself",
        "the left patch",
        "the patch in row 3, column 12",
    ]
