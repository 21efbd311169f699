"""The totals of a batch's attention, from which the numbers and maps of the attention analysis follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from teachmatters.measures.attention import attention as measures
from teachmatters.measures.attention.aligned import AlignedSum
from teachmatters.measures.attention.information import row_information
from teachmatters.measures.moments import Moments, accumulator

# Bytes of attention that are read at a time: on a CPU few enough to stay in caches through all reductions, on a GPU
# to limit the memory of intermediate results.
CPU_BLOCK, GPU_BLOCK = 4_000_000, 2**28


class TotalsSelection(NamedTuple):
    """The totals that are needed, by the names of AttentionTotals."""

    distance: bool
    entropy: bool
    information: bool
    received: bool
    pure: bool
    position: bool
    heads: bool
    aligned: bool

    @property
    def needs_mass(self) -> bool:
        """Return whether any of them needs the sums of rows over the patches."""
        return self.distance or self.information or self.pure or self.aligned

    @property
    def needs_entropy(self) -> bool:
        """Return whether any of them needs the entropy of rows."""
        return self.entropy or self.information

    @property
    def needs_keys(self) -> bool:
        """Return whether any of them is a number for each key."""
        return self.received or self.pure or self.position


@dataclass(frozen=True, slots=True)
class AttentionTotals:
    """What the spatial queries of each image add up to. Totals that are not wanted hold any numbers.

    Attributes:
        empty: the number of rows without mass on the patches, (B, H).
        distance: the mean distance of each row, (B, H).
        entropy: of each row, (B, H), in nats.
        information: minus the entropy of each renormalised row, (B, H).
        received: the attention that each key receives, (B, H, T).
        pure: the same of renormalised rows.
        position: the moments over queries of the attention on each key, (B, H, T).
        heads: the deviation over heads, (B,).
        aligned: the renormalised rows, each shifted so that its query is in the centre, (B, H, 2h-1, 2w-1).
    """

    empty: Tensor
    distance: Tensor
    entropy: Tensor
    information: Tensor
    received: Tensor
    pure: Tensor
    position: Moments
    heads: Tensor
    aligned: Tensor


def totals_in_blocks(
    attention: Tensor, grid: tuple[int, int], table: Tensor, wanted: TotalsSelection
) -> AttentionTotals:
    """Compute the totals on any device, one operation after another for each block of attention.

    Args:
        attention: float32 (B, H, T, T).
        grid: rows and columns of patches, h and w.
        table: from distance_table, on the same device; any tensor if no total needs the mass.
        wanted: the totals to compute; ``heads`` needs at least two heads.

    >>> import torch
    >>> attention, table = torch.eye(2).expand(1, 2, 2, 2), measures.distance_table((1, 2), 0)
    >>> totals_in_blocks(attention, (1, 2), table, TotalsSelection(*[True] * 8)).aligned.tolist()
    [[[[0.0, 2.0, 0.0]], [[0.0, 2.0, 0.0]]]]
    """
    batch, heads, tokens, _ = attention.shape
    patches, dtype = grid[0] * grid[1], accumulator(attention.device)
    spatial = attention[:, :, -patches:]
    images, queries = _block_size(attention, grid)
    blocks = _blocks(grid, queries)
    mass, weighted, entropy, of_prefix = attention.new_ones(4, batch, heads, patches)
    # Each key's sum over queries of rows, and then of renormalised rows.
    weights = attention.new_ones(batch, heads, 2 if wanted.pure else 1, patches)
    received = attention.new_zeros(len(blocks), *weights.shape[:3], tokens)
    means, squares = attention.new_zeros(2, len(blocks), batch, heads, tokens)
    deviations = attention.new_zeros(len(blocks), batch)
    aligned = AlignedSum(batch, heads, grid, attention.device) if wanted.aligned else None
    for first in range(0, batch, images):
        for block, part in enumerate(blocks):
            some = slice(first, first + images)
            here, rows = (some, slice(None), part), spatial[some, :, part]
            if wanted.needs_mass:
                mass[here], weighted[here] = measures.spatial_sums(rows, table[part])
                factors = measures.inverse_mass(mass[here])
                if wanted.pure:
                    weights[some, :, 1, part] = factors
                if aligned is not None:
                    aligned.add(rows[..., -patches:], factors, part.start, first)
            if wanted.needs_entropy:
                entropy[here] = measures.row_entropy(rows)
                of_prefix[here] = measures.row_entropy(rows[..., :-patches])
            if wanted.needs_keys:
                received[block, some] = measures.received(rows, weights[some, :, :, part])
            if wanted.position:
                means[block, some] = received[block, some, :, 0] / rows.shape[2]
                squares[block, some] = measures.squared_deviations(rows, means[block, some])
            if wanted.heads:
                deviations[block, some] = measures.head_deviation(rows, patches)
    sums = received.sum(dim=0, dtype=dtype)
    # Most attention may be on the class token: hundreds of such weights lose digits where they add up in float32.
    sums[:, :, 0, :-patches] = spatial[..., :-patches].sum(dim=2, dtype=dtype)
    return AttentionTotals(
        empty=(mass <= 0).sum(dim=-1),
        distance=measures.attention_distance(weighted, mass),
        entropy=entropy.sum(dim=-1, dtype=dtype),
        information=row_information(entropy - of_prefix, mass, measures.inverse_mass(mass)),
        received=sums[:, :, 0],
        pure=sums[:, :, -1],
        position=Moments.joined([part.stop - part.start for part in blocks], means, squares),
        heads=deviations.sum(dim=0, dtype=dtype),
        aligned=attention.new_zeros(0) if aligned is None else aligned.maps(),
    )


def _block_size(attention: Tensor, grid: tuple[int, int]) -> tuple[int, int]:
    """Return the numbers of images and queries in a block: whole images, or rows of the grid, or parts of one."""
    batch, heads, tokens, _ = attention.shape
    high, wide = grid
    row_bytes = 4 * heads * tokens * wide
    budget = CPU_BLOCK if attention.device.type == "cpu" else GPU_BLOCK
    if row_bytes > budget:
        return 1, _even(wide, budget * wide // row_bytes)
    rows = _even(high, budget // row_bytes)
    return (_even(batch, budget // (row_bytes * high)) if rows == high else 1), rows * wide


def _blocks(grid: tuple[int, int], queries: int) -> list[slice]:
    """Divide the queries: a block has whole rows of the grid, or part of one."""
    patches = grid[0] * grid[1]
    span = patches if queries >= grid[1] else grid[1]
    return [
        slice(start + part, start + min(part + queries, span))
        for start in range(0, patches, span)
        for part in range(0, span, queries)
    ]


def _even(count: int, most: int) -> int:
    """Return the size of equal parts of at most that size, at least 1."""
    return math.ceil(count / math.ceil(count / max(1, most)))
