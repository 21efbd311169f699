"""Tests of the dense analysis against loops over images and patches, on tokens read from the network by the test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax
from sklearn.linear_model import Ridge
from sklearn.metrics import confusion_matrix

from teachmatters.errors import TeachMattersError
from tests import toys
from tests.measuring import measure, task, tokens, values

WORLD = ("train=7", "val=4", "size=48")
SIDE, CLASSES = toys.SIZE // toys.PATCH, 13
pytestmark = pytest.mark.usefixtures("toys")


def read(items: Any, dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Unit tokens (layers, images, patches, D) and masks (images, S, S)."""
    size = toys.SIZE, toys.SIZE
    every = tokens([dataset.image(item).resize(size, Image.Resampling.BILINEAR) for item in items])[:, :, 1:]
    masks = [Image.fromarray(dataset.annotations(item, "semantic")["mask"].pixels) for item in items]
    return (
        every / np.linalg.norm(every, axis=3, keepdims=True),
        np.stack([np.asarray(mask.resize(size, Image.Resampling.NEAREST)) for mask in masks]),
    )


def labels_of(mask: np.ndarray) -> np.ndarray:
    cells = mask.reshape(SIDE, toys.PATCH, SIDE, toys.PATCH).transpose(0, 2, 1, 3).reshape(SIDE * SIDE, -1)
    return np.stack([(cells == c).mean(axis=1) for c in range(CLASSES)], axis=1)


def bank_of(labels: np.ndarray, number: int, most: int) -> list[int]:
    present = labels > 0
    draws = 1 - np.random.default_rng((0, number)).random(len(labels))
    scores = [draws[i] * sum(present[:, c].sum() for c in np.flatnonzero(row)) for i, row in enumerate(present)]
    return sorted(sorted(range(len(scores)), key=lambda i: (scores[i], i))[:most])


def miou(maps: np.ndarray, masks: np.ndarray) -> tuple[float, list[float]]:
    """The mean over classes of all images together, and of each image."""
    planes = torch.tensor(maps).reshape(len(maps), SIDE, SIDE, CLASSES).permute(0, 3, 1, 2)
    large = torch.nn.functional.interpolate(planes, (toys.SIZE, toys.SIZE), mode="bilinear").argmax(dim=1).numpy()

    def of(predicted: np.ndarray, truth: np.ndarray) -> float:
        matrix = confusion_matrix(truth.ravel(), predicted.ravel(), labels=range(CLASSES))
        there = matrix.sum(axis=1) > 0
        union = matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
        return float(100 * (np.diag(matrix)[there] / union[there]).mean())

    return of(large, masks), [of(*pair) for pair in zip(large, masks, strict=True)]


def test_both_predictors_equal_the_loops() -> None:
    wanted = task("dense", "scenes", *WORLD, "bank=40", "neighbours=5")
    result = measure(wanted, batch_size=3)
    dataset = wanted.opened.dataset
    (gallery, masks), (queries, truth) = (read(wanted.items[role], dataset) for role in ("gallery", "queries"))
    labels = np.stack([labels_of(mask) for mask in masks])
    chosen = [bank_of(own, number, 40 // 7) for number, own in enumerate(labels)]
    bank_labels = np.concatenate([own[places] for own, places in zip(labels, chosen, strict=True)])
    for layer, (seen, unseen) in enumerate(zip(gallery, queries, strict=True)):
        bank = np.concatenate([own[places] for own, places in zip(seen, chosen, strict=True)])
        cosine = unseen @ bank.T
        nearest = np.argsort(-cosine, axis=2, kind="stable")[:, :, :5]
        weights = softmax(np.take_along_axis(cosine, nearest, axis=2) / 0.02, axis=2)
        voted = (weights[..., None] * bank_labels[nearest]).sum(axis=2)
        flat = seen.reshape(-1, toys.WIDTH)
        alpha = 1e-2 * ((flat - flat.mean(axis=0)) ** 2).sum() / toys.WIDTH
        ridge = Ridge(alpha=alpha, solver="svd").fit(flat, labels.reshape(-1, CLASSES))
        for metric, maps in (
            ("dense-knn-miou", voted),
            ("dense-ridge-miou", ridge.predict(unseen.reshape(-1, toys.WIDTH)).reshape(voted.shape)),
        ):
            expected, alone = miou(maps, truth)
            assert values(result, metric)[layer] == pytest.approx(expected, abs=0.1), metric
            (unit,) = [each for each in result.maps if (each.name, each.layer) == (f"unit:{metric}", layer + 1)]
            assert unit.array.tolist() == pytest.approx(alone, abs=0.3)
            assert unit.units == tuple(item.key for item in wanted.items["queries"])
            (pseudo,) = [each for each in result.maps if (each.name, each.layer) == (f"pseudo:{metric}", layer + 1)]
            assert pseudo.array.mean() == pytest.approx(values(result, metric)[layer])
            assert pseudo.array.tolist() != pytest.approx(alone, abs=1)
            assert pseudo.units == unit.units


def test_a_row_for_each_class_that_occurs() -> None:
    wanted = task("dense-ridge-miou", "scenes", *WORLD)
    result = measure(wanted)
    _, truth = read(wanted.items["queries"], wanted.opened.dataset)
    names = wanted.opened.dataset.categories("semantic")
    rows = {r.category: r for r in result.records if r.layer == 1 and r.category}
    assert list(rows) == [names[c] for c in np.unique(truth)]
    assert rows["ground"].n == 4
    headline = values(result, "dense-ridge-miou")[0]
    assert headline == pytest.approx(np.mean([row.value for row in rows.values()]))


def test_void_is_not_a_class_and_masks_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = task("dense", "scenes", *WORLD)
    dataset: Any = wanted.opened.dataset
    whole = type(dataset).annotations

    def annotations(self: Any, item: Any, kind: Any) -> Any:
        known = whole(self, item, kind)
        if item.key.endswith("train/00002"):
            return {}
        if item.key.endswith("val/00001"):
            known["mask"].pixels[:] = 255
        return known

    monkeypatch.setattr(type(dataset), "annotations", annotations)
    result = measure(wanted)
    note = result.notes["images without a mask, or with nothing but void, left out"]
    assert note == {"gallery": 1, "queries": 1}
    assert {len(each.array) for each in result.maps} == {3}


def test_a_bank_smaller_than_the_gallery_is_an_error_before_an_image_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.measuring.run_passes", lambda *_: pytest.fail("a pass was made"))
    with pytest.raises(TeachMattersError, match="a bank of 6 patches is smaller than the gallery of 7 images"):
        measure(task("dense", "scenes", *WORLD, "bank=6"))
    monkeypatch.undo()
    measure(task("dense-ridge-miou", "scenes", *WORLD, "bank=6"))  # which has no bank
