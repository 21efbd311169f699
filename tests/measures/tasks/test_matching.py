"""Tests of keypoint matches against explicitly enlarged features."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from teachmatters.measures.tasks.matching import best_pixels, sample
from tests import task_oracles

SHAPES = [(4, 4, 16), (3, 5, 7), (5, 2, 8), (1, 4, 3), (1, 1, 5), (2, 3, 1), (14, 14, 2)]


def features(height: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(height, width, 6, generator=generator, dtype=torch.float64), dim=-1)


@pytest.mark.parametrize(("height", "width", "patch"), SHAPES)
def test_sample_reads_the_enlarged_map(height: int, width: int, patch: int) -> None:
    maps = torch.stack([features(height, width, 0), features(height, width, 1)])
    y, x = torch.meshgrid(torch.arange(height * patch), torch.arange(width * patch), indexing="ij")
    for number in (0, 1):
        read = sample(maps, torch.full((x.numel(),), number), x.flatten(), y.flatten(), patch)
        assert torch.allclose(read, task_oracles.enlarged(maps[number], patch).flatten(0, 1), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("height", "width", "patch"), SHAPES)
def test_match_equals_an_explicitly_enlarged_map(height: int, width: int, patch: int, seed: int) -> None:
    """Also where the best patch lies on a border, whose outer half is all equal."""
    source, target = features(height, width, seed), features(height, width, seed + 10)
    queries = source.flatten(0, 1)[:9]
    dots = torch.einsum("kd,hwd->khw", queries, target)
    large = task_oracles.enlarged(target, patch)
    for found, query in zip(best_pixels(dots, patch).tolist(), queries, strict=True):
        assert found == task_oracles.first_best(large @ query)


def test_the_first_of_equal_pixels_in_row_major_order_wins() -> None:
    dots = torch.zeros(5, 4, 4)
    dots[1, 1:3, 1:3] = 0.7  # a plateau between four centres
    dots[2, 3] = 0.3  # the lowest row, to the image's edge
    dots[3, 0, 3] = dots[3, 3, 0] = 1.0
    dots[4, 2, 2], dots[4, 2, 1] = 0.1, 0.1
    for found, each in zip(best_pixels(dots, 4).tolist(), dots, strict=True):
        assert found == task_oracles.first_best(task_oracles.enlarged(each[..., None].double(), 4)[..., 0])
