"""Tests of label propagation against a dense matrix, and of masks against PIL."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from teachmatters.measures.tasks.propagation import nearest, object_numbers, propagate
from tests import task_oracles


def tracker(grid: tuple[int, int], frames: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(frames + 1, grid[0] * grid[1], 5, generator=generator, dtype=torch.float64)
    labels = torch.rand(frames, grid[0] * grid[1], 3, generator=generator, dtype=torch.float64)
    features = normalize(features, dim=-1)
    return features[0], features[1:], labels / labels.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize(("radius", "top"), [(12, 5), (2, 5), (1, 1), (3, 30), (0, 2)])
@pytest.mark.parametrize(("grid", "frames"), [((4, 4), 1), ((10, 6), 3), ((5, 11), 8), ((17, 3), 2), ((1, 2), 1)])
def test_propagation_equals_the_dense_matrix(grid: tuple[int, int], frames: int, radius: int, top: int) -> None:
    frame, context, labels = tracker(grid, frames, seed=radius)
    top = min(top, frames * grid[0] * grid[1])
    carried = propagate(frame, context, labels, grid, radius, top, 0.1)
    expected = task_oracles.propagated(frame, context, labels, grid, radius, top, 0.1)
    assert torch.allclose(carried, expected, atol=1e-12)
    assert torch.allclose(carried.sum(dim=1), torch.ones(len(carried), dtype=carried.dtype))


@pytest.mark.parametrize("top", [1, 3, 5])
def test_equal_affinities_are_all_kept(top: int) -> None:
    """Frames repeated, so that every cosine stands there three times."""
    frame, context, labels = tracker((6, 5), 2, seed=9)
    context, labels = context.repeat(3, 1, 1), torch.cat([labels, labels.flip(1), labels.roll(1, 2)])
    carried = propagate(frame, context, labels, (6, 5), 2, top, 0.1)
    assert torch.allclose(carried, task_oracles.propagated(frame, context, labels, (6, 5), 2, top, 0.1), atol=1e-12)


@pytest.mark.parametrize("top", [1, 3, 5])
def test_equal_affinities_of_neighbours_are_all_kept(top: int) -> None:
    """Patches in pairs of equals: with an odd number to take, the last one has a twin elsewhere in the frame."""
    frame, context, labels = tracker((6, 6), 2, seed=4)
    context = context[:, ::2].repeat_interleave(2, dim=1)
    carried = propagate(frame, context, labels, (6, 6), 9, top, 0.1)
    assert torch.allclose(carried, task_oracles.propagated(frame, context, labels, (6, 6), 9, top, 0.1), atol=1e-12)


def test_labels_do_not_depend_on_tiles_or_orientation() -> None:
    frame, context, labels = tracker((19, 4), 2, seed=1)
    straight = propagate(frame, context, labels, (19, 4), 3, 5, 0.1)

    def turned(x: torch.Tensor) -> torch.Tensor:
        return x.reshape(*x.shape[:-2], 19, 4, -1).transpose(-3, -2).flatten(-3, -2)

    across = propagate(turned(frame), turned(context), turned(labels), (4, 19), 3, 5, 0.1)
    assert torch.allclose(turned(straight), across, atol=1e-12)


@pytest.mark.parametrize(("old", "new"), [(4, 4), (3, 7), (9, 4), (224, 480), (224, 854), (784, 854), (448, 1)])
def test_nearest_equals_pil(old: int, new: int) -> None:
    values = np.random.default_rng(0).integers(0, 255, (3, old)).astype(np.uint8)
    resized = np.asarray(Image.fromarray(values).resize((new, 3), Image.Resampling.NEAREST))
    assert np.array_equal(values[:, nearest(old, new).numpy()], resized)


def test_each_channel_is_stretched_before_the_largest_wins() -> None:
    """The object is nowhere above 0.4, yet wins where it is strongest."""
    labels = torch.tensor([[[0.9, 0.6], [0.9, 0.9]], [[0.1, 0.4], [0.1, 0.1]], [[0.0, 0.0], [0.0, 0.0]]])
    large = torch.nn.functional.interpolate(labels[None], scale_factor=4, mode="bilinear", align_corners=False)[0]
    large[:2] = torch.stack([(c - c.min()) / (c - c.min()).max() for c in large[:2]])
    expected = Image.fromarray(large.argmax(dim=0).numpy().astype(np.uint8)).resize((13, 9), Image.Resampling.NEAREST)
    found = object_numbers(labels, 4, (9, 13))
    assert np.array_equal(found.numpy(), np.asarray(expected))
    assert found[0, -1] == 1
    assert 2 not in found


def test_a_constant_channel_is_not_stretched() -> None:
    only_background = object_numbers(torch.ones(1, 2, 2), 4, (8, 8))
    assert not only_background.any()
    everywhere = torch.stack([torch.zeros(2, 2), torch.ones(2, 2)])
    assert object_numbers(everywhere, 4, (8, 8)).all()
