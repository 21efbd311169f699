"""Measures of single attention maps: distance, deviation and entropy.

The functions take a block of queries, ``rows`` (B, H, Q, T): the rows of Q spatial queries of softmax outputs
(B, H, T, T). The last h w tokens are the patches, row by row, called spatial; the tokens before them (class token,
registers) are the prefix. Each function returns sums over the queries, so that a map may be read in blocks that fit
into a processor's cache; a block may also hold all queries.
"""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.moments import Moments, accumulator

# Smaller than any weight that matters, so that 0 log 0 is 0. Some devices treat smaller float32 numbers as 0.
TINY = 2.0**-126


def patch_distances(grid: tuple[int, int]) -> Tensor:
    """Return the Euclidean distances between the patches of a grid whose longer side is 1.

    Args:
        grid: rows and columns, h and w.

    Returns:
        float64 (h w, h w), patches row by row.

    >>> patch_distances((1, 3))[0].tolist()
    [0.0, 0.5, 1.0]
    """
    rows, columns = grid
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    points = torch.stack([x.flatten(), y.flatten()], dim=1).double() / max(rows - 1, columns - 1, 1)
    difference = points[:, None] - points[None]
    return difference.square().sum(dim=-1).sqrt()


def distance_table(grid: tuple[int, int], prefix: int) -> Tensor:
    """Return the factors by which spatial_sums turns attention into distance and mass.

    Args:
        grid: rows and columns, h and w.
        prefix: the number of prefix tokens.

    Returns:
        float32 (h w, T, 2): for each query and key the distance, and 1 for a spatial key; 0 for a prefix token.

    >>> distance_table((1, 2), 1)[0].tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    distances = patch_distances(grid)
    table = torch.zeros(len(distances), prefix + len(distances), 2)
    table[:, prefix:, 0], table[:, prefix:, 1] = distances, 1.0
    return table


def spatial_sums(rows: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Sum each row over the spatial keys, weighted by distance and unweighted, in one read.

    Args:
        rows: (B, H, Q, T).
        table: (Q, T, 2), those queries of a distance_table, on the same device.

    Returns:
        the attention-weighted distance and the mass, (B, H, Q) each.
    """
    sums = torch.einsum("bhqk,qkc->bhqc", rows, table.to(rows.dtype))
    return sums[..., 0], sums[..., 1]


def inverse_mass(mass: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors that renormalise rows over the spatial keys; a row without mass stays 0.

    Returns:
        the factors, in the shape of mass, and the number of rows without mass, 0-d.

    >>> factors, empty = inverse_mass(torch.tensor([0.5, 0.0]))
    >>> factors.tolist(), int(empty)
    ([2.0, 0.0], 1)
    """
    empty = mass <= 0
    return mass.masked_fill(empty, 1.0).reciprocal_().masked_fill_(empty, 0.0), empty.sum()


def attention_distance(weighted: Tensor, factors: Tensor) -> Tensor:
    """Compute the distance over which patches attend, without prefix tokens; rows without mass count as 0.

    Args:
        weighted: (B, H, Q) from spatial_sums.
        factors: (B, H, Q) from inverse_mass.

    Returns:
        the sum over queries, (B, H), each between 0 and sqrt(2), in float64 where the device has it; the mean is within
        1e-7 of the exact value.

    Source:
        Dosovitskiy et al. 2021, "An image is worth 16x16 words"; Raghu et al. 2021, "Do vision transformers see like
        convolutional neural networks?".

    >>> rows = torch.eye(4).expand(1, 1, 4, 4)  # every patch attends to itself
    >>> weighted, mass = spatial_sums(rows, distance_table((2, 2), 0))
    >>> attention_distance(weighted, inverse_mass(mass)[0]).item()
    0.0
    """
    # One product of (h w)^2 terms in float32 would be wrong in the sixth digit, and float64 takes three times as long.
    # So each query is summed in float32, and the queries in float64.
    return (weighted * factors).sum(dim=-1, dtype=accumulator(weighted.device))


def attention_on_class(rows: Tensor) -> Tensor:
    """Compute the attention of patches on the class token, which comes first.

    Returns:
        the sum over queries, (B, H), each between 0 and 1.

    >>> attention_on_class(torch.full((1, 1, 4, 5), 0.25)).item()
    1.0
    """
    return rows[..., 0].sum(dim=-1)


def attention_on_registers(rows: Tensor, patches: int, *, class_token: bool) -> Tensor:
    """Compute the attention of patches on all tokens before the patches but the class token.

    Args:
        rows: (B, H, Q, T).
        patches: the number of patches, h w.
        class_token: whether the first token is a class token.

    Returns:
        the sum over queries, (B, H), each between 0 and 1, in float64 where the device has it.

    Source:
        Darcet et al. 2024, "Vision transformers need registers".

    >>> round(attention_on_registers(torch.full((1, 1, 1, 8), 0.125), 4, class_token=True).item(), 4)
    0.375
    """
    registers = rows[..., int(class_token) : -patches]
    return registers.sum(dim=-1).sum(dim=-1, dtype=accumulator(rows.device))


def received(rows: Tensor) -> Tensor:
    """Compute the attention that each key receives.

    Returns:
        the sum over queries, (B, H, T).

    >>> received(torch.full((1, 1, 4, 5), 0.25)).tolist()
    [[[1.0, 1.0, 1.0, 1.0, 1.0]]]
    """
    ones = rows.new_ones(*rows.shape[:2], 1, rows.shape[2])  # a product reads memory in order and is faster than sum
    return (ones @ rows).squeeze(2)


def key_moments(rows: Tensor) -> Moments:
    """Compute the moments over queries of the attention on each key, without renormalising rows.

    The moments of blocks add up. ``position_deviation`` reads them.

    Returns:
        count Q; mean and squared deviations (B, H, T).
    """
    # Two passes over the data, like torch.std, but ten times as fast. One pass over squares would lose small
    # deviations.
    wide, mean = accumulator(rows.device), received(rows) / rows.shape[-2]
    m2 = received((rows - mean[..., None, :]).square_())
    return Moments(rows.shape[-2], mean.to(wide), m2.to(wide))


def position_deviation(moments: Moments, patches: int) -> Tensor:
    """Compute how much the attention on a patch depends on the query: 0 when every query has the same row.

    The value is the deviation over spatial queries (n - 1) for each spatial key, averaged over keys.

    Args:
        moments: the moments of all spatial queries, from key_moments; at least two.
        patches: the number of patches, h w.

    Returns:
        (B, H), between 0 and 0.7072.

    >>> round(position_deviation(key_moments(torch.eye(2).view(1, 1, 2, 2)), 2).item(), 4)
    0.7071
    """
    deviation = moments.std()
    assert deviation is not None
    return deviation[..., -patches:].mean(dim=-1)


def head_deviation(rows: Tensor, patches: int) -> Tensor:
    """Compute how much the heads of a layer differ: 0 when all are equal.

    The value is the deviation over heads (n - 1) for each pair of patches, without renormalising rows, averaged over
    keys. It needs at least two heads.

    Returns:
        the sum over queries, (B,), each between 0 and 0.7072.

    >>> head_deviation(torch.full((1, 3, 4, 4), 0.25), 4).item()
    0.0
    """
    mean = rows.mean(dim=1)
    squares = torch.zeros_like(mean)
    for head in rows.unbind(dim=1):  # one at a time, so that the difference stays in cache
        difference = head - mean
        squares.addcmul_(difference, difference)
    deviation = squares.div_(rows.shape[1] - 1).sqrt_()
    return deviation[..., -patches:].mean(dim=-1).sum(dim=-1)


def row_entropy(rows: Tensor) -> Tensor:
    """Compute the entropy of each row, minus the sum of A log A over its keys.

    Returns:
        (B, H, Q) in nats, each between 0 (one key) and log T (uniform).

    >>> round(row_entropy(torch.full((1, 1, 1, 5), 0.2)).exp().item(), 4)
    5.0
    """
    return rows.clamp_min(TINY).log_().mul_(rows).sum(dim=-1).neg_()
