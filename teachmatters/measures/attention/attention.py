"""Measures of single attention maps: distance, deviation and entropy.

Maps are (B, H, T, T) softmax outputs, with queries in rows. The last h w tokens are the patches, row by row, called
spatial; the tokens before them (class token, registers) are the prefix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator

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


def spatial_rows(attention: Tensor, patches: int) -> tuple[Tensor, Tensor]:
    """Return the rows of the spatial queries, renormalised over the spatial keys; a row without mass stays 0.

    Args:
        attention: (B, H, T, T).
        patches: the number of patches, h w.

    Returns:
        (B, H, h w, h w), and the number of rows without mass, 0-d.

    >>> rows, empty = spatial_rows(torch.tensor([[[[0.5, 0.2, 0.3], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0]]]]), 2)
    >>> rows[0, 0].tolist(), int(empty)
    ([[0.75, 0.25], [0.0, 0.0]], 1)
    """
    spatial = attention[..., -patches:, -patches:]
    mass = spatial.sum(dim=-1, keepdim=True)
    empty = mass <= 0
    return spatial / mass.masked_fill_(empty, 1.0), empty.sum()


def attention_distance(rows: Tensor, distances: Tensor) -> Tensor:
    """Compute the mean distance over which patches attend, without prefix tokens; rows without mass count as 0.

    Args:
        rows: (B, H, h w, h w) from spatial_rows.
        distances: (h w, h w) from patch_distances, on the same device.

    Returns:
        the mean over queries, (B, H), between 0 and sqrt(2), in float64 where the device has it; within 1e-7 of the
        exact value.

    Source:
        Dosovitskiy et al. 2021, "An image is worth 16x16 words"; Raghu et al. 2021, "Do vision transformers see like
        convolutional neural networks?".

    >>> look_at_yourself = torch.eye(4).expand(1, 1, 4, 4)
    >>> attention_distance(look_at_yourself, patch_distances((2, 2))).item()
    0.0
    """
    # One product of (h w)^2 terms in float32 would be wrong in the sixth digit, and float64 takes three times as long.
    # So each query is summed in float32, and the queries in float64.
    of_queries = torch.einsum("bhqk,qk->bhq", rows, distances.to(rows.dtype))
    return of_queries.mean(dim=-1, dtype=accumulator(rows.device))


def attention_on_class(attention: Tensor, patches: int) -> Tensor:
    """Compute the attention of patches on the class token, which comes first.

    Returns:
        the mean over spatial queries, (B, H), between 0 and 1.

    >>> attention_on_class(torch.full((1, 1, 5, 5), 0.2), 4).item()
    0.20000000298023224
    """
    return attention[..., -patches:, 0].mean(dim=-1)


def attention_on_registers(attention: Tensor, patches: int, *, class_token: bool) -> Tensor:
    """Compute the attention of patches on all tokens before the patches but the class token.

    Args:
        attention: (B, H, T, T).
        patches: the number of patches, h w.
        class_token: whether the first token is a class token.

    Returns:
        the mean over spatial queries of the sum, (B, H), between 0 and 1, in float64 where the device has it.

    Source:
        Darcet et al. 2024, "Vision transformers need registers".

    >>> round(attention_on_registers(torch.full((1, 1, 8, 8), 0.125), 4, class_token=True).item(), 4)
    0.375
    """
    registers = attention[..., -patches:, int(class_token) : -patches]
    return registers.sum(dim=-1).mean(dim=-1, dtype=accumulator(attention.device))


def position_deviation(attention: Tensor, patches: int) -> Tensor:
    """Compute how much the attention on a patch depends on the query: 0 when every query has the same row.

    The value is the deviation over spatial queries (n - 1) for each spatial key, without renormalising rows, averaged
    over keys. It needs at least two patches.

    Returns:
        (B, H), between 0 and 0.7072.

    >>> position_deviation(torch.eye(2).view(1, 1, 2, 2), 2).item()
    0.7071067690849304
    """
    spatial = attention[..., -patches:, -patches:]
    return _deviation(spatial, dim=-2).mean(dim=-1)


def head_deviation(attention: Tensor, patches: int) -> Tensor:
    """Compute how much the heads of a layer differ: 0 when all are equal.

    The value is the deviation over heads (n - 1) for each pair of patches, without renormalising rows, averaged over
    pairs. It needs at least two heads.

    Returns:
        (B,), between 0 and 0.7072.

    >>> head_deviation(torch.full((1, 3, 4, 4), 0.25), 4).item()
    0.0
    """
    spatial = attention[..., -patches:, -patches:]
    return _deviation(spatial, dim=1).mean(dim=(-2, -1))


def attention_entropy(attention: Tensor, patches: int) -> Tensor:
    """Compute the entropy of the rows of the spatial queries over all T keys.

    Returns:
        the mean entropy in nats, (B, H), between 0 (one key each) and log T (uniform).

    >>> round(attention_entropy(torch.full((1, 1, 5, 5), 0.2), 4).exp().item(), 4)
    5.0
    """
    rows = attention[..., -patches:, :]
    return rows.clamp_min(TINY).log_().mul_(rows).sum(dim=(-2, -1)) / -patches


def _deviation(values: Tensor, dim: int) -> Tensor:
    # Two passes over the data, like torch.std, but ten times as fast. One pass over squares would lose small
    # deviations.
    centred = values - values.mean(dim=dim, keepdim=True)
    return (centred.square_().sum(dim=dim) / (values.shape[dim] - 1)).sqrt_()
