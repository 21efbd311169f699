"""Segmentation of an image from its patches: their labels, a bank of neighbours, and the overlap of classes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag, interpolate

from teachmatters.measures.moments import accumulator
from teachmatters.measures.tasks.knn import nearest

TEMPERATURE = 0.02
# Values of enlarged maps that exist at a time.
ENLARGED = 1 << 24


def patch_labels(mask: NDArray[np.uint8], grid: tuple[int, int], patch: int, classes: int) -> NDArray[np.float64]:
    """Compute the distribution of each patch's pixels over the classes; pixels outside of them are left out.

    Args:
        mask: (H, W), the class of each pixel; values from ``classes`` on are void.
        grid: rows and columns of patches, from the top left.
        patch: the side of a patch in pixels.
        classes: C.

    Returns:
        (h * w, C), each row sums to 1; 0 for a patch that is all void.

    >>> patch_labels(np.array([[0, 0, 1, 255]], np.uint8).repeat(2, axis=0), (1, 2), 2, 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    (rows, columns), pixels = grid, mask[: grid[0] * patch, : grid[1] * patch].astype(np.int64)
    number = np.arange(rows * columns).reshape(rows, columns).repeat(patch, axis=0).repeat(patch, axis=1)
    counts = np.bincount((number * 256 + pixels).ravel(), minlength=256 * rows * columns)
    kept = counts.reshape(-1, 256)[:, :classes]
    share: NDArray[np.float64] = kept / kept.sum(axis=1, keepdims=True).clip(min=1)
    return share


def bank_patches(labels: NDArray[np.float64], most: int, draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose the patches of one image that enter the bank; patches of rare classes are more likely.

    Args:
        labels: (N, C), from ``patch_labels``.
        most: how many to choose; fewer if fewer have a label.
        draws: (N,), uniform in (0, 1].

    Returns:
        ascending positions of the patches with the lowest draw times the sum, over the classes in the patch, of the
        number of patches with that class; of ties, the lower patch.

    Source:
        Balazevic et al. 2023, "Towards in-context scene understanding".

    >>> bank_patches(np.array([[1.0, 0], [1, 0], [0, 1], [0, 0]]), 1, np.array([0.5, 0.5, 0.5, 0.1])).tolist()
    [2]
    """
    present = labels > 0
    labelled = np.flatnonzero(present.any(axis=1))
    score = draws * (present @ present.sum(axis=0))
    chosen: NDArray[np.int64] = np.sort(labelled[np.argsort(score[labelled], kind="stable")[:most]])
    return chosen


def neighbour_labels(tokens: Tensor, bank: Iterable[Tensor], labels: Tensor, k: int) -> Tensor:
    """Average the labels of each patch's nearest neighbours in the bank, with weights softmax(cosine / 0.02).

    Args:
        tokens: (Q, D), any float.
        bank: blocks (n, D) of M vectors together.
        labels: (M, C), the label distributions of the bank.
        k: the number of neighbours; at most M are used.

    Returns:
        (Q, C), in the labels' precision, on the tokens' device.

    Source:
        Balazevic et al. 2023, "Towards in-context scene understanding".

    >>> neighbour_labels(torch.tensor([[1.0, 0.1]]), [torch.eye(2)], torch.eye(2), k=1).tolist()
    [[1.0, 0.0]]
    """
    similarity, index = nearest(tokens, bank, min(k, len(labels)))
    weights = (similarity.to(accumulator(tokens.device)) / TEMPERATURE).softmax(dim=1)
    return embedding_bag(index, labels, per_sample_weights=weights.to(labels.dtype), mode="sum")


def segment(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge maps of class scores bilinearly (half-pixel), and choose each pixel's class; of ties, the lower.

    Args:
        maps: (B, h, w, C).
        size: rows and columns of pixels.

    Returns:
        (B, rows, columns), int64.

    >>> segment(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]]), (1, 4)).tolist()
    [[[1, 1, 0, 0]]]
    """
    planes = maps.permute(0, 3, 1, 2)
    step = max(1, ENLARGED // (planes.shape[1] * size[0] * size[1]))
    parts = (interpolate(part, size=size, mode="bilinear", align_corners=False) for part in torch.split(planes, step))
    return torch.cat([part.argmax(dim=1) for part in parts])


def overlap_counts(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Count the pixels of each class in each image, outside of void.

    Args:
        predicted: (B, rows, columns), int64.
        truth: the same shape; values from ``classes`` on are void.
        classes: C.

    Returns:
        (B, 3, C), int64: pixels where both agree, of the prediction, of the truth.

    >>> overlap_counts(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 255]]]), 2).tolist()
    [[[1, 0], [1, 1], [2, 0]]]
    """
    known = (truth < classes).flatten(1)
    first = torch.arange(len(truth), device=truth.device)[:, None] * classes
    predicted, truth = predicted.flatten(1) + first, truth.flatten(1) + first
    marks = (predicted[known & (predicted == truth)], predicted[known], truth[known])
    counts = [mark.bincount(minlength=len(truth) * classes).reshape(len(truth), classes) for mark in marks]
    return torch.stack(counts, dim=1)


def class_iou(counts: Tensor) -> Tensor:
    """Compute the IoU of each class from pixel counts.

    Args:
        counts: (..., 3, C), from ``overlap_counts``; sums over images give the IoU over a whole data set.

    Returns:
        (..., C), 0 to 1; NaN for a class that the truth lacks.

    >>> class_iou(torch.tensor([[1, 0], [1, 1], [2, 0]])).tolist()
    [0.5, nan]
    """
    both, predicted, truth = counts.to(accumulator(counts.device)).unbind(dim=-2)
    return torch.where(truth > 0, both / (predicted + truth - both), torch.nan)


def miou_pseudo_values(both: NDArray[np.float64], union: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute pseudo-values of images, whose mean is the mean IoU over classes of all images together.

    The mean IoU pools the pixels of each class before it divides them. A pseudo-value says how it changes, to first
    order, when an image counts more, so a bootstrap of their mean resamples the mean IoU. Classes that few images have
    stay in every resample.

    Args:
        both: (n, ..., C), pixels of each image where prediction and truth agree.
        union: the same shape, pixels that either has; every class has some in one of the images.

    Returns:
        (n, ...), not limited to 0 to 1.

    Source:
        Jaeckel 1972, "The infinitesimal jackknife".

    >>> miou_pseudo_values(np.array([[1.0], [1.0]]), np.array([[2.0], [6.0]])).tolist()
    [0.375, 0.125]
    """
    iou = both.sum(axis=0) / union.sum(axis=0)
    values: NDArray[np.float64] = (iou + len(both) * (both - iou * union) / union.sum(axis=0)).mean(axis=-1)
    return values
