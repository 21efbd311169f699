"""Measures of single attention maps: distance, deviation and entropy.

The functions take a block of queries, ``rows`` (B, H, Q, T): the rows of Q spatial queries of softmax outputs
(B, H, T, T). The last h w tokens are the patches, row by row, called spatial; the tokens before them (class token,
registers) are the prefix. Each function returns sums over the queries, so that a map may be read in blocks that fit
into a processor's cache; a block may also hold all queries.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from teachmatters.measures.moments import Moments, accumulator

# Smaller than any weight that matters, so that 0 log 0 is 0. Some devices treat smaller float32 numbers as 0.
TINY = 2.0**-126


def offset_distances(grid: tuple[int, int]) -> Tensor:
    """Return the lengths of the offsets between patches of a grid whose longer side is 1.

    Args:
        grid: rows and columns, h and w.

    Returns:
        float64 (2h-1, 2w-1), with the offset 0 in the middle.

    >>> offset_distances((1, 3)).tolist()
    [[1.0, 0.5, 0.0, 0.5, 1.0]]
    """
    down, right = (torch.arange(1 - count, count, dtype=torch.float64) for count in grid)
    return torch.hypot(down[:, None], right) / max(*(count - 1 for count in grid), 1)


def spatial_mass(rows: Tensor, patches: int) -> Tensor:
    """Sum each row over the patches.

    Returns:
        (B, H, Q), between 0 and 1.

    >>> spatial_mass(torch.full((1, 1, 1, 5), 0.25), 4).item()
    1.0
    """
    return rows[..., -patches:].sum(dim=-1)


def inverse_mass(mass: Tensor) -> Tensor:
    """Return the factors that renormalise rows over the patches; for a row without mass any number, as it stays 0.

    >>> inverse_mass(torch.tensor([0.5])).tolist()
    [2.0]
    """
    return mass.clamp_min(TINY).reciprocal_()


def attention_distance(aligned: Tensor, distances: Tensor) -> Tensor:
    """Compute the distance over which patches attend, without prefix tokens; rows without mass count as 0.

    Args:
        aligned: (..., 2h-1, 2w-1), the sum of the renormalised rows of all queries, from AlignedSum.
        distances: from offset_distances.

    Returns:
        the sum over queries, (...), each between 0 and sqrt(2); the mean is within 1e-7 of the exact value.

    Source:
        Dosovitskiy et al. 2021, "An image is worth 16x16 words"; Raghu et al. 2021, "Do vision transformers see like
        convolutional neural networks?".

    >>> aligned = torch.tensor([[0.0, 1.0, 1.0]])  # of two patches, both attend to the right one
    >>> attention_distance(aligned, offset_distances((1, 2)).float()).item()
    1.0
    """
    return (aligned * distances).sum(dim=(-2, -1))


def attention_on_class(rows: Tensor) -> Tensor:
    """Compute the attention of patches on the class token, which comes first.

    Returns:
        the sum over queries, (B, H), each between 0 and 1, in float64 where the device has it.

    >>> attention_on_class(torch.full((1, 1, 4, 5), 0.25)).item()
    1.0
    """
    return rows[..., 0].sum(dim=-1, dtype=accumulator(rows.device))


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


def key_moments(rows: Tensor, mean: Tensor) -> Moments:
    """Compute the moments over queries of the attention on each key, without renormalising rows.

    The moments of blocks add up. ``position_deviation`` reads them.

    Args:
        rows: (B, H, Q, T).
        mean: (B, H, T), the mean of the rows.

    Returns:
        count Q; mean and squared deviations (B, H, T).
    """
    # Two passes over the data, like torch.std, but ten times as fast. One pass over squares would lose small
    # deviations.
    ones = rows.new_ones(*rows.shape[:2], 1, rows.shape[2])
    return Moments(rows.shape[2], mean, received(_squares(rows, mean[:, :, None]), ones)[:, :, 0])


def position_deviation(moments: Moments, patches: int) -> Tensor:
    """Compute how much the attention on a patch depends on the query: 0 when every query has the same row.

    The value is the deviation over spatial queries (n - 1) for each spatial key, averaged over keys.

    Args:
        moments: the moments of all spatial queries, from key_moments; at least two.
        patches: the number of patches, h w.

    Returns:
        (B, H), between 0 and 0.7072.

    >>> rows = torch.eye(2).view(1, 1, 2, 2)
    >>> round(position_deviation(key_moments(rows, rows.mean(dim=2)), 2).item(), 4)
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
    heads = rows.shape[1]
    ones = rows.new_ones(heads)
    mean = ((ones / heads) @ rows.flatten(2)).view_as(rows[:, 0])  # products are faster than means and sums over heads
    deviation = ((ones / (heads - 1)) @ _squares(rows, mean[:, None]).flatten(2)).sqrt_().view_as(mean)
    return deviation[..., -patches:].sum(dim=(-2, -1)) / patches


def row_entropy(rows: Tensor) -> Tensor:
    """Compute the entropy of each row, minus the sum of A log A over its keys.

    Returns:
        (B, H, Q) in nats, each between 0 (one key) and log T (uniform).

    >>> round(row_entropy(torch.full((1, 1, 1, 5), 0.2)).exp().item(), 4)
    5.0
    """
    return rows.clamp_min(TINY).log_().mul_(rows).sum(dim=-1).neg_()


def _squares(rows: Tensor, mean: Tensor) -> Tensor:
    """Return the squared differences, in one read."""
    return functional.mse_loss(rows, mean.expand_as(rows), reduction="none")
