"""Similarity of two layers by the image vectors they give: orthogonal Procrustes, and rank correlation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.measures.moments import ROUNDING, accumulator, varies


def centred_unit(features: Tensor) -> Tensor | None:
    """Centre features by column and divide them by their Frobenius norm.

    Args:
        features: (n, D), any float.

    Returns:
        (n, min(n, D)), float64 where the device has it: in more than n dimensions they are rotated into n, which
        leaves the products of ``procrustes`` with others unchanged up to a rotation. None when nothing varies.

    >>> centred_unit(torch.tensor([[0.0], [2.0]])).round(decimals=4).tolist()
    [[-0.7071], [0.7071]]
    """
    wide = features.to(accumulator(features.device))
    if not varies(wide):
        return None
    centred = wide - wide.mean(dim=0)
    if centred.shape[1] > len(centred):
        centred = torch.linalg.qr(centred.T, mode="r").R.T
    unit: Tensor = centred / centred.norm()
    return unit


def procrustes(first: Tensor, second: Tensor) -> Tensor:
    """Compute the nuclear norm of X'Y, the similarity that is left after the best rotation.

    Args:
        first: X, from ``centred_unit``.
        second: Y, of the same n images.

    Returns:
        a scalar from 0 to 1; 1 for features that are equal up to rotation and scale.

    Source:
        Schönemann 1966; Williams et al. 2021, "Generalized shape metrics on neural representations".

    >>> x = centred_unit(torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]]))
    >>> round(float(procrustes(x, 3 * x.flip(1) / 3)), 6)
    1.0
    """
    singular: Tensor = torch.linalg.svdvals(first.T @ second)
    return singular.sum()


def similarity_ranks(features: Tensor) -> Tensor | None:
    """Rank the cosine similarities of all pairs of images.

    Args:
        features: (n, D), any float.

    Returns:
        (n (n - 1) / 2,), float64 where the device has it: ranks of the upper triangle, ties by mean rank, centred and
        of length 1. None when the features do not vary, or all similarities are equal.

    >>> similarity_ranks(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])).round(decimals=3).tolist()
    [0.707, -0.707, 0.0]
    """
    wide = features.to(accumulator(features.device))
    if not varies(wide):
        return None
    unit = normalize(wide, dim=1)
    rows, columns = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    similarities = (unit @ unit.T)[rows, columns]
    # The cosine of vectors that differ by a share of their norm differs from 1 by its square.
    if similarities.max() - similarities.min() <= ROUNDING**2:
        return None
    ranks = mean_ranks(similarities)
    return normalize(ranks - ranks.mean(), dim=0)


def rsa(first: Tensor, second: Tensor) -> Tensor:
    """Compute Spearman's correlation of the similarities of all pairs of images in two layers.

    Args:
        first: from ``similarity_ranks``.
        second: as first, of the same images.

    Returns:
        a scalar from -1 to 1.

    Source:
        Kriegeskorte et al. 2008, "Representational similarity analysis".

    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> round(float(rsa(similarity_ranks(x), similarity_ranks(2 * x))), 6)
    1.0
    """
    return first @ second


def mean_ranks(values: Tensor) -> Tensor:
    """Rank values from 1; equal values share the mean of their ranks.

    >>> mean_ranks(torch.tensor([0.5, 0.1, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = torch.unique(values, return_inverse=True, return_counts=True)
    counts = counts.to(accumulator(values.device))
    ranks: Tensor = (counts.cumsum(0) - (counts - 1) / 2)[place]
    return ranks
