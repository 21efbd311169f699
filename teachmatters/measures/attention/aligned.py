"""Aligned attention maps, in which every row is shifted so that its query is in the centre."""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.moments import accumulator


class AlignedSum:
    """The sum of rows, each shifted so that its query is in the centre.

    Each row of attention is first shifted by rows of the grid, which leaves it in one piece; the sums over queries of
    one column are then shifted by columns. This takes h + w additions of large slices, a scatter (h w)^2 single ones.

    Args:
        images, heads: B and H.
        grid: rows and columns of patches, h and w.
        device: the device of the attention.

    >>> total = AlignedSum(1, 1, (1, 2), torch.device("cpu"))
    >>> total.add(torch.eye(2)[None, None], torch.ones(1, 1, 2), 0)
    >>> total.maps().tolist()
    [[[[0.0, 2.0, 0.0]]]]
    """

    def __init__(self, images: int, heads: int, grid: tuple[int, int], device: torch.device) -> None:
        self.grid = grid
        # by column of the query: (B, H, w, (2h-1) w)
        self._shifted = torch.zeros(images, heads, grid[1], (2 * grid[0] - 1) * grid[1], device=device)

    def add(self, rows: Tensor, factors: Tensor, first: int) -> None:
        """Add some queries, one after the other.

        Args:
            rows: float32 (B, H, Q, h w): their attention on all patches.
            factors: (B, H, Q): each row of attention is multiplied by its factor.
            first: the first query, from 0.
        """
        high, wide = self.grid
        end = first + rows.shape[2]
        while first < end:
            row, column = divmod(first, wide)
            count = min(wide - column, end - first)
            part, rows = rows[:, :, :count], rows[:, :, count:]
            factor, factors = factors[:, :, :count, None], factors[:, :, count:]
            start = (high - 1 - row) * wide
            self._shifted[:, :, column : column + count, start : start + high * wide].addcmul_(part, factor)
            first += count

    def maps(self) -> Tensor:
        """Return the aligned maps (B, H, 2h-1, 2w-1), in float64 where the device has it."""
        high, wide = self.grid
        columns = self._shifted.view(*self._shifted.shape[:3], 2 * high - 1, wide)
        shape = (*columns.shape[:2], 2 * high - 1, 2 * wide - 1)
        total = columns.new_zeros(shape, dtype=accumulator(columns.device))
        for column, part in enumerate(columns.unbind(dim=2)):
            total[..., wide - 1 - column : 2 * wide - 1 - column] += part
        return total


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
