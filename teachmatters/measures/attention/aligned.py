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
    >>> total.add(torch.eye(2)[None, None], torch.ones(1, 1, 2), first=0, image=0)
    >>> total.maps().tolist()
    [[[[0.0, 2.0, 0.0]]]]
    """

    def __init__(self, images: int, heads: int, grid: tuple[int, int], device: torch.device) -> None:
        self.grid = grid
        # by column of the query: (B, H, w, (2h-1) w)
        self._shifted = torch.zeros(images, heads, grid[1], (2 * grid[0] - 1) * grid[1], device=device)

    def add(self, rows: Tensor, factors: Tensor, first: int, image: int) -> None:
        """Add some queries of some images: whole rows of the grid, or part of one.

        Args:
            rows: float32 (b, H, Q, h w): their attention on all patches.
            factors: (b, H, Q): each row of attention is multiplied by its factor.
            first: the first query, from 0.
            image: the first image, from 0.
        """
        high, wide = self.grid
        row, column = divmod(first, wide)
        columns = min(wide, rows.shape[2])
        parts = rows.view(*rows.shape[:2], -1, columns, high * wide).unbind(2)
        each = factors.view(*factors.shape[:2], -1, columns, 1).unbind(2)
        start, end = (high - row - len(parts)) * wide, (2 * high - 1 - row) * wide
        shifted = self._shifted[image : image + len(rows), :, column : column + columns, start:end]
        # From row to row of the grid, the place to add to moves back by one row.
        places = reversed(shifted.unfold(3, high * wide, wide).unbind(3))
        for place, part, factor in zip(places, parts, each, strict=True):
            place.addcmul_(part, factor)

    def maps(self) -> Tensor:
        """Return the sum of each image, (B, H, 2h-1, 2w-1), in float64 where the device has it."""
        high, wide = self.grid
        shifted = self._shifted.to(accumulator(self._shifted.device))
        columns = shifted.view(*shifted.shape[:3], 2 * high - 1, wide)
        total = columns.new_zeros(*columns.shape[:2], 2 * high - 1, 2 * wide - 1)
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
