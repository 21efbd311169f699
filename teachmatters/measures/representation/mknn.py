"""Mutual nearest neighbours: the images that two models both find similar."""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.tasks.knn import nearest

# The number of entries of the table of neighbours that is held at once: 256 MiB.
TABLE = 2**25


def neighbours(features: Tensor, k: int) -> Tensor:
    """Find the k nearest other images of each image by cosine.

    Args:
        features: (N, D), any float, N greater than k.
        k: at least 1.

    Returns:
        (N, k), int64, the nearest first; of equal ones, the lower index first.

    >>> neighbours(torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]]), k=1)[:, 0].tolist()
    [1, 0, 1]
    """
    index = nearest(features, [features], k + 1)[1]
    own = index == torch.arange(len(index), device=index.device)[:, None]
    # With more than k duplicates, an image may be missing from its own list. Then the last of the others is dropped.
    own[:, -1] |= ~own.any(dim=1)
    return index[~own].view(len(index), k)


def mutual(first: Tensor, second: Tensor) -> Tensor:
    """Compute the share of common neighbours of two models, for every pair of layers and every image.

    Args:
        first: (L1, N, k) neighbours of the N images, k different ones each.
        second: (L2, N, k).

    Returns:
        float64 (L1, L2, N), 0 to 1; the mean over images is about k / (N - 1) by chance.

    Source:
        Huh et al. 2024, "The platonic representation hypothesis".

    >>> mutual(torch.tensor([[[1, 2]]]), torch.tensor([[[2, 3]]])).tolist()
    [[[0.5]]]
    """
    shares = [
        [(one[:, :, None] == two[:, None, :]).any(dim=-1).double().mean(dim=-1) for two in second] for one in first
    ]
    return torch.stack([torch.stack(row) for row in shares])


def mutual_null(first: Tensor, second: Tensor, permutations: int, seed: int) -> Tensor:
    """Compute the mean share of common neighbours by chance: with the second model's images permuted.

    Args:
        first: as for mutual, at most 63 layers.
        second: as for mutual; its images are permuted.
        permutations: the number of permutations.
        seed: for the permutations, which are the same for all layers.

    Returns:
        float64 (permutations, L1, L2).
    """
    layers, n, k = first.shape
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(n, generator=generator) for _ in range(permutations)]
    common = torch.zeros(permutations, layers, len(second), dtype=torch.float64)
    for rows in torch.split(torch.arange(n), max(1, TABLE // n)):
        table = _table(first[:, rows], n)
        for nth, order in enumerate(orders):
            # Image i is now the former image order[i], and its neighbours move likewise.
            moved = torch.argsort(order)[second[:, order[rows]]]
            hits = table.expand(len(second), -1, -1).gather(2, moved)
            common[nth] += _count(hits.flatten(1), layers)
    return common / (n * k)


def _table(lists: Tensor, n: int) -> Tensor:
    """Convert (L, rows, k) to int64 (rows, n): bit l is set if the column is a neighbour of the row at layer l."""
    table = torch.zeros(lists.shape[1], n, dtype=torch.int64)
    for layer, index in enumerate(lists):
        table.scatter_add_(1, index, torch.full_like(index, 1 << layer))
    return table


def _count(hits: Tensor, layers: int) -> Tensor:
    """Count how often each bit is set: (L2, entries) -> (layers, L2)."""
    bits = torch.arange(layers)[:, None]
    # Hardly any entry is set by chance.
    return torch.stack([((row[row != 0] >> bits) & 1).sum(dim=1) for row in hits], dim=1)
