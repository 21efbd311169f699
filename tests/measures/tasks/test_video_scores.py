"""Tests of J and F against slow morphological loops."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.morphology import dilation, disk

from teachmatters.measures.tasks import video_scores
from teachmatters.measures.tasks.video_scores import boundaries, boundary_similarity, region_similarity
from tests import task_oracles

HEIGHT, WIDTH = 60, 80
Mask = NDArray[np.bool_]


def blob(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Mask:
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for _ in range(3):
        cy, cx, r = generator.uniform(0, height), generator.uniform(0, width), generator.uniform(4, 25)
        mask |= (y - cy) ** 2 + (x - cx) ** 2 < r * r
    return mask


def pixel(y: int, x: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y, x] = True
    return mask


EMPTY, FULL = np.zeros((HEIGHT, WIDTH), bool), np.ones((HEIGHT, WIDTH), bool)
MASKS = {
    "blob": blob(1), "moved": np.roll(blob(1), (2, -1), (0, 1)), "other": blob(2), "noise": blob(3) ^ (blob(4)),
    "empty": EMPTY, "full": FULL, "pixel": pixel(40, 70), "near": pixel(41, 72), "corner": pixel(0, 0),
    "last": pixel(HEIGHT - 1, WIDTH - 1), "edge": pixel(HEIGHT - 1, 5), "side": pixel(7, WIDTH - 1),
}  # fmt: skip


@functools.cache
def outline_of(name: str) -> Mask:
    image = np.zeros((HEIGHT, WIDTH), bool)
    for y, x in task_oracles.outline(MASKS[name]):
        image[y, x] = True
    return image


@functools.cache
def dilated(name: str, radius: int) -> Mask:
    return np.asarray(dilation(outline_of(name).astype(np.uint8), disk(radius)), np.bool_)  # type: ignore[no-untyped-call]


def by_dilation(predicted: str, truth: str, radius: int) -> float:
    """The evaluator's way: both boundaries are dilated by a disk."""
    mine, theirs = outline_of(predicted), outline_of(truth)
    if not mine.any() or not theirs.any():
        return float(mine.any() == theirs.any())
    precision = (mine & dilated(truth, radius)).sum() / mine.sum()
    recall = (theirs & dilated(predicted, radius)).sum() / theirs.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0.008, 0.05, 0.09])
@pytest.mark.parametrize("name", MASKS)
def test_f_equals_dilating_by_a_disk(name: str, tolerance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_scores, "TOLERANCE", tolerance)
    predicted = torch.from_numpy(np.stack(list(MASKS.values())))
    found = boundary_similarity(predicted, torch.from_numpy(MASKS[name])).tolist()
    radius = math.ceil(tolerance * math.hypot(HEIGHT, WIDTH))
    assert found == pytest.approx([by_dilation(other, name, radius) for other in MASKS], abs=1e-12)


@pytest.mark.parametrize("name", ["blob", "empty", "full", "pixel"])
def test_j_equals_the_loop(name: str) -> None:
    predicted = torch.from_numpy(np.stack(list(MASKS.values())))
    found = region_similarity(predicted, torch.from_numpy(MASKS[name])).tolist()
    assert found == pytest.approx([task_oracles.region(mask, MASKS[name]) for mask in MASKS.values()], abs=1e-12)


def test_dilation_equals_a_distance_threshold() -> None:
    one, other = blob(1)[::2, ::2], blob(5)[::2, ::2]
    radius = math.ceil(0.008 * math.hypot(*one.shape))
    found = boundary_similarity(torch.from_numpy(one)[None], torch.from_numpy(other))
    assert found.item() == pytest.approx(task_oracles.boundary(one, other, radius), abs=1e-12)


def test_an_empty_mask_matches_only_an_empty_mask() -> None:
    empty, some = torch.from_numpy(EMPTY), torch.from_numpy(MASKS["blob"])
    assert region_similarity(torch.stack([empty, some]), empty).tolist() == [1.0, 0.0]
    assert boundary_similarity(torch.stack([empty, some]), empty).tolist() == [1.0, 0.0]
    assert boundary_similarity(torch.stack([empty, some]), some).tolist() == [0.0, 1.0]


def test_a_full_mask_has_no_boundary() -> None:
    assert not boundaries(torch.ones(1, 4, 5, dtype=torch.bool)).any()
    for mask in MASKS.values():
        found = {(int(y), int(x)) for _, y, x in boundaries(torch.from_numpy(mask)[None]).nonzero()}
        assert found == task_oracles.outline(mask)
