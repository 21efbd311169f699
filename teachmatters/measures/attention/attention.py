"""Measures of single attention maps: distance, deviation and entropy.

The functions take a block of queries, ``rows`` (B, H, Q, T): the rows of Q spatial queries of softmax outputs
(B, H, T, T). The last h w tokens are the patches, row by row, called spatial; the tokens before them (class token,
registers) are the prefix. What they return is for each query or a sum over the queries, so that a map may be read in
blocks that fit into a processor's cache; a block may also hold all queries.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from teachmatters.measures.moments import Moments, accumulator

# Smaller than any weight that matters, so that 0 log 0 is 0. Some devices treat smaller float32 numbers as 0.
TINY = 2.0**-126


def distance_table(grid: tuple[int, int], prefix: int) -> Tensor:
    """Return the weights that give each row's sum over the patches, and the sum weighted by their distance.

    Args:
        grid: rows and columns, h and w.
        prefix: the number of tokens before the patches.

    Returns:
        float32 (h w, 2, T): for each query 1, and then the distance, for each patch, and 0 for other tokens. The unit
        of distance is the longer side of the grid, from the first patch's centre to the last. It needs as much memory
        as two heads' attention.

    >>> distance_table((1, 3), 1)[0].tolist()
    [[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0]]
    """
    places = torch.cartesian_prod(*(torch.arange(count, dtype=torch.float64) for count in grid))
    places /= max(*(count - 1 for count in grid), 1)
    table = torch.zeros(len(places), 2, prefix + len(places), dtype=torch.float32)
    table[:, 0, prefix:] = 1
    table[:, 1, prefix:] = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    return table


def spatial_sums(rows: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Sum each row over the patches, without weights and weighted by their distance from the query.

    Args:
        rows: float32 (B, H, Q, T).
        table: the part of distance_table for these queries, (Q, 2, T).

    Returns:
        each (B, H, Q), the first between 0 and 1, the second between 0 and sqrt(2).

    >>> mass, weighted = spatial_sums(torch.full((1, 1, 3, 4), 0.25), distance_table((1, 3), 1))
    >>> mass.tolist(), weighted.tolist()
    ([[[0.75, 0.75, 0.75]]], [[[0.375, 0.25, 0.375]]])
    """
    # A product for each query reads memory in order, faster than elementwise products and sums.
    sums = table @ rows.flatten(0, 1).permute(1, 2, 0)
    mass, weighted = sums.permute(1, 2, 0).reshape(2, *rows.shape[:3])
    return mass, weighted


def inverse_mass(mass: Tensor) -> Tensor:
    """Return the factors that renormalise rows over the patches; for a row without mass any number, as it stays 0.

    >>> inverse_mass(torch.tensor([0.5])).tolist()
    [2.0]
    """
    return mass.clamp_min(TINY).reciprocal_()


def attention_distance(weighted: Tensor, mass: Tensor) -> Tensor:
    """Compute the distance over which patches attend, without prefix tokens; rows without mass count as 0.

    Args:
        weighted: (B, H, Q), from spatial_sums.
        mass: (B, H, Q), from spatial_sums.

    Returns:
        the sum over queries, (B, H), each between 0 and sqrt(2), in float64 where the device has it; the mean over
        queries is within 1e-7 of the exact value.

    Source:
        Dosovitskiy et al. 2021, "An image is worth 16x16 words"; Raghu et al. 2021, "Do vision transformers see like
        convolutional neural networks?".

    >>> mass, weighted = spatial_sums(torch.tensor([[[[0.0, 0.5, 0.5]]]]), distance_table((1, 2), 1)[:1])
    >>> attention_distance(weighted, mass).item()
    0.5
    """
    return (weighted * inverse_mass(mass)).sum(dim=-1, dtype=accumulator(mass.device))


def received(rows: Tensor, weights: Tensor) -> Tensor:
    """Compute the attention that each key receives, for several weights of the queries in one read.

    Args:
        rows: (B, H, Q, T).
        weights: (B, H, n, Q), n weights of each query.

    Returns:
        the weighted sums over queries, (B, H, n, T).

    >>> received(torch.full((1, 1, 4, 5), 0.25), torch.ones(1, 1, 1, 4)).tolist()
    [[[[1.0, 1.0, 1.0, 1.0, 1.0]]]]
    """
    return weights @ rows  # a product reads memory in order and is faster than a sum


def squared_deviations(rows: Tensor, mean: Tensor) -> Tensor:
    """Sum the squared deviations of the attention on each key, without renormalising rows.

    Args:
        rows: (B, H, Q, T).
        mean: (B, H, T), the mean of the rows.

    Returns:
        (B, H, T), the ``m2`` of the moments over queries that ``position_deviation`` reads.

    >>> squared_deviations(torch.eye(2).view(1, 1, 2, 2), torch.full((1, 1, 2), 0.5)).tolist()
    [[[0.5, 0.5]]]
    """
    # Two passes over the data, like torch.std, but ten times as fast. One pass over squares would lose small
    # deviations.
    ones = rows.new_ones(*rows.shape[:2], 1, rows.shape[2])
    return received((rows - mean[:, :, None]).square_(), ones)[:, :, 0]


def position_deviation(moments: Moments, patches: int) -> Tensor:
    """Compute how much the attention on a patch depends on the query: 0 when every query has the same row.

    The value is the deviation over spatial queries (n - 1) for each spatial key, averaged over keys.

    Args:
        moments: the moments over all spatial queries, at least two, of the attention on each key.
        patches: the number of patches, h w.

    Returns:
        (B, H), between 0 and 0.7072.

    >>> rows = torch.eye(2).view(1, 1, 2, 2)
    >>> round(position_deviation(Moments.of(rows.movedim(2, 0)), 2).item(), 4)
    0.7071
    """
    deviation = moments.std()
    assert deviation is not None
    return deviation[..., -patches:].mean(dim=-1)


def head_deviation(rows: Tensor, patches: int) -> Tensor:
    """Compute how much the heads of a layer differ: 0 when all are equal.

    The value is the deviation over heads (n - 1) for each pair of patches, without renormalising rows, averaged over
    keys. It needs at least two heads.

    Args:
        rows: (B, H, Q, T).
        patches: the number of patches, h w.

    Returns:
        the sum over queries, (B,), each between 0 and 0.7072.

    >>> head_deviation(torch.full((1, 3, 4, 4), 0.25), 4).item()
    0.0
    """
    heads = rows.shape[1]
    share = rows.new_full((heads,), 1 / heads)
    mean = (share @ rows.flatten(2)).view_as(rows[:, 0])  # products are faster than means and sums over heads
    squares = share @ (rows - mean[:, None]).square_().flatten(2)
    total = squares.sqrt_().view_as(mean)[..., -patches:].sum(dim=(-2, -1))
    return total * (math.sqrt(heads / (heads - 1)) / patches)


def row_entropy(rows: Tensor) -> Tensor:
    """Compute the entropy of each row, minus the sum of A log A over its keys.

    Returns:
        (B, H, Q) in nats, each between 0 (one key) and log T (uniform).

    >>> round(row_entropy(torch.full((1, 1, 1, 5), 0.2)).exp().item(), 4)
    5.0
    """
    return rows.clamp_min(TINY).log_().mul_(rows).sum(dim=-1).neg_()
