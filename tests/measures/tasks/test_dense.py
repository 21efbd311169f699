"""Tests of dense prediction against loops over patches and pixels, and against scikit-learn's neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import NearestNeighbors

from teachmatters.measures.bootstrap import interval, resampled_means
from teachmatters.measures.tasks.dense import (
    bank_patches,
    class_iou,
    miou_pseudo_values,
    neighbour_labels,
    overlap_counts,
    patch_labels,
    segment,
)

VOID = 255


def a_mask(seed: int, rows: int, columns: int, classes: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mask = generator.integers(0, classes, (rows // 4 + 1, columns // 4 + 1)).astype(np.uint8)
    mask[generator.random(mask.shape) < 0.3] = VOID
    return mask.repeat(4, axis=0).repeat(4, axis=1)[:rows, :columns]


def test_labels_of_patches_equal_the_loop() -> None:
    mask = a_mask(0, 18, 26, 5)  # two rows and two columns of pixels belong to no patch
    found = patch_labels(mask, (2, 3), 8, 5)
    for number, row in enumerate(found):
        y, x = divmod(number, 3)
        pixels = [int(v) for v in mask[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].ravel() if v != VOID]
        assert row.tolist() == pytest.approx([pixels.count(c) / max(len(pixels), 1) for c in range(5)])


def test_a_patch_that_is_all_void_has_no_label_and_enters_no_bank() -> None:
    mask = np.full((8, 16), VOID, np.uint8)
    mask[0, 8] = 1
    labels = patch_labels(mask, (1, 2), 8, 3)
    assert labels.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert bank_patches(labels, 5, np.array([0.1, 0.9])).tolist() == [1]


@pytest.mark.parametrize("most", [1, 5, 100])
def test_the_bank_equals_the_loop(most: int) -> None:
    labels = patch_labels(a_mask(1, 64, 64, 4), (8, 8), 8, 4)
    draws = 1 - np.random.default_rng((0, 3)).random(64)
    draws[10:20] = 0.5  # ties
    present = [{c for c in range(4) if row[c] > 0} for row in labels]
    count = {c: sum(c in each for each in present) for c in range(4)}
    scored = [(draws[i] * sum(count[c] for c in each), i) for i, each in enumerate(present) if each]
    assert bank_patches(labels, most, draws).tolist() == sorted(i for _, i in sorted(scored)[:most])


@pytest.mark.parametrize(("k", "block"), [(1, 7), (5, 40), (60, 13)])
def test_neighbours_equal_scikit_learn(k: int, block: int) -> None:
    generator = np.random.default_rng(2)
    tokens, bank = generator.standard_normal((23, 6)), generator.standard_normal((40, 6))
    labels = generator.dirichlet(np.ones(4), 40)
    search = NearestNeighbors(n_neighbors=min(k, 40), metric="cosine", algorithm="brute").fit(bank)
    distance, index = search.kneighbors(tokens)
    expected = (softmax((1 - distance) / 0.02, axis=1)[:, :, None] * labels[index]).sum(axis=1)
    blocks = torch.split(torch.tensor(bank), block)
    found = neighbour_labels(torch.tensor(tokens), blocks, torch.tensor(labels), k)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_first_of_equal_neighbours_in_the_bank_counts() -> None:
    bank, labels = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [3.0, 0.0]]), torch.eye(4)
    assert neighbour_labels(torch.tensor([[1.0, 0.0]]), [bank], labels, 1).argmax().item() == 1


def bilinear(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Half-pixel bilinear enlargement, pixel by pixel."""
    h, w = plane.shape
    out = np.empty(size)
    for row in range(size[0]):
        for column in range(size[1]):
            y = min(max((row + 0.5) * h / size[0] - 0.5, 0), h - 1)
            x = min(max((column + 0.5) * w / size[1] - 0.5, 0), w - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            top = plane[y0, x0] * (1 - x + x0) + plane[y0, x1] * (x - x0)
            low = plane[y1, x0] * (1 - x + x0) + plane[y1, x1] * (x - x0)
            out[row, column] = top * (1 - y + y0) + low * (y - y0)
    return out


def test_maps_are_enlarged_pixel_by_pixel_and_ties_go_to_the_lower_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.measures.tasks.dense.ENLARGED", 4 * 10 * 15)  # one image at a time
    maps = torch.rand(3, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = segment(maps, (10, 15))
    for image, classes in zip(maps.numpy(), found, strict=True):
        large = np.stack([bilinear(image[:, :, c], (10, 15)) for c in range(4)])
        assert (classes.numpy() == large.argmax(axis=0)).all()
    assert not segment(torch.ones(1, 2, 2, 3), (4, 4)).any()


def test_overlaps_equal_a_confusion_matrix() -> None:
    truth = np.stack([a_mask(seed, 12, 15, 4) for seed in range(3)])
    truth[truth == 2] = 1  # class 2 is predicted only
    predicted = np.random.default_rng(0).integers(0, 4, truth.shape)
    counts = overlap_counts(torch.tensor(predicted), torch.tensor(truth.astype(np.int64)), 4)
    for image, (both, guessed, there) in enumerate(counts):
        known = truth[image] != VOID
        matrix = confusion_matrix(truth[image][known], predicted[image][known], labels=range(4))
        assert both.tolist() == np.diag(matrix).tolist()
        assert (guessed.tolist(), there.tolist()) == (matrix.sum(axis=0).tolist(), matrix.sum(axis=1).tolist())
    iou = class_iou(counts.sum(dim=0))
    assert iou.isnan().tolist() == [False, False, True, False]
    known = truth != VOID
    for c in (0, 1, 3):
        union = ((truth == c) | ((predicted == c) & known)).sum()
        assert float(iou[c]) == pytest.approx(((truth == c) & (predicted == c)).sum() / union)


def test_the_bootstrap_of_pseudo_values_is_that_of_the_pooled_miou() -> None:
    generator = np.random.default_rng(0)
    union = generator.integers(1, 900, (200, 5)) * (generator.random((200, 5)) < [0.9, 0.7, 0.5, 0.4, 0.3])
    skill = generator.beta(2, 2, (200, 1)) * [0.9, 0.6, 0.8, 0.3, 0.5]
    both, whole = np.floor(union * skill), union.astype(np.float64)

    def pooled(weights: np.ndarray) -> float:
        return float(((weights @ both) / (weights @ whole)).mean())

    values = miou_pseudo_values(both, whole)
    assert values.mean() == pytest.approx(pooled(np.ones(200)))
    drawn = [pooled(np.bincount(generator.integers(0, 200, 200), minlength=200)) for _ in range(1000)]
    low, high = interval(resampled_means(values[:, None]))
    width = np.diff(np.percentile(drawn, [2.5, 97.5]))[0]
    assert [low[0], high[0]] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=0.1 * width)
    # The values are the derivative by an image's weight.
    step = np.eye(200)[7] * 1e-6
    slope = (pooled(np.ones(200) + step) - pooled(np.ones(200))) / 1e-6
    assert values[7] - values.mean() == pytest.approx(200 * slope, rel=1e-3)
