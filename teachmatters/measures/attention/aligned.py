"""Aligned attention maps, in which every row is shifted so that its query is in the centre."""

from __future__ import annotations

import torch
from torch import Tensor


def displacements(grid: tuple[int, int]) -> Tensor:
    """Return the position of each pair of patches in the aligned map.

    Args:
        grid: rows and columns, h and w.

    Returns:
        int64 (h w x h w,), query by query: positions in the flattened (2h-1, 2w-1) map whose centre is the query.

    >>> displacements((1, 2)).tolist()
    [1, 2, 0, 1]
    """
    rows, columns = grid
    y, x = torch.arange(rows), torch.arange(columns)
    down = y[None] - y[:, None] + rows - 1  # (query, key)
    right = x[None] - x[:, None] + columns - 1
    return (down[:, None, :, None] * (2 * columns - 1) + right[None, :, None, :]).flatten()


def align(rows: Tensor, index: Tensor, grid: tuple[int, int]) -> Tensor:
    """Sum all rows, each shifted so that its query is in the centre. Linear: rows may be sums over images.

    Args:
        rows: (H, h w, h w), rows are queries.
        index: from displacements, on the same device.
        grid: h and w.

    Returns:
        (H, 2h-1, 2w-1), in the dtype of rows and with the same sum.

    >>> align(torch.eye(2)[None], displacements((1, 2)), (1, 2)).tolist()
    [[[0.0, 2.0, 0.0]]]
    """
    heads, (high, wide) = rows.shape[0], (2 * grid[0] - 1, 2 * grid[1] - 1)
    total = rows.new_zeros(heads, high * wide)
    total.scatter_add_(1, index.expand(heads, -1), rows.flatten(1))
    return total.view(heads, high, wide)


def offset(aligned: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the centre of mass of aligned maps, -1 to 1 from the first to the last column (row).

    One side of the grid is 1.

    Args:
        aligned: (..., 2h-1, 2w-1), with any positive sum.

    Returns:
        x to the right and y downwards, each (...); NaN for a map without mass.

    >>> one_to_the_right = torch.zeros(5, 5)
    >>> one_to_the_right[2, 3] = 1
    >>> [each.item() for each in offset(one_to_the_right)]
    [0.5, 0.0]
    """
    mass = aligned.sum(dim=(-2, -1))
    x = (aligned.sum(dim=-2) * _coordinates(aligned.shape[-1], aligned)).sum(dim=-1) / mass
    y = (aligned.sum(dim=-1) * _coordinates(aligned.shape[-2], aligned)).sum(dim=-1) / mass
    return x, y


def _coordinates(count: int, like: Tensor) -> Tensor:
    """Return coordinates from -1 to 1; a single position is at 0."""
    places = torch.arange(count, dtype=like.dtype, device=like.device) - count // 2
    return places / max(1, count // 2)
