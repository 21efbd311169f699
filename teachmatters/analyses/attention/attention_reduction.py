"""The reduction of a batch's attention to a few numbers per image and a few arrays per batch, on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.api import ModelInfo
from teachmatters.measures.attention import attention as measures
from teachmatters.measures.attention.aligned import AlignedSum
from teachmatters.measures.attention.information import normalised_information, row_information
from teachmatters.measures.moments import Moments, accumulator

# Bytes of attention that are read at a time: on a CPU few enough to stay in caches through all reductions, beside an
# intermediate result of the same size, but enough for an image or two of 197 tokens, because every step costs time;
# on a GPU to limit the memory of intermediate results.
CACHE, DEVICE_BLOCK = 4_000_000, 2**28

OF_LAYERS = frozenset({"attn-head-std"})
FROM_ALIGNED = frozenset(
    {"attn-offset", "attn-offset-x", "attn-offset-y", "attn-map-aligned", "attn-head-type", "attn-head-share"}
    | {"attn-head-agreement", "attn-head-margin", "attn-head-offset-x", "attn-head-offset-y"}
)
# From the attention that each patch receives, after rows were renormalised.
FROM_PURE = frozenset({"attn-nmi", "attn-map-spatial-pure", "attn-map-class-std"})
NUMBERS = OF_LAYERS | {"attn-distance", "attn-on-cls", "attn-on-registers"}
NUMBERS |= {"attn-position-std", "attn-entropy", "attn-nmi"}
MAPS = frozenset({"attn-map-all", "attn-map-cls", "attn-map-spatial", "attn-map-spatial-pure"})


@dataclass(frozen=True, slots=True)
class Reduced:
    """The reduced attention of one layer of one batch.

    Attributes:
        numbers: by metric, (B, columns); the last column is the mean over heads.
        sums: by name, sums over the images of the batch, in the shapes of Reduction.shapes.
        empty: the number of rows without mass, 0-d.
        pure: (B, H, h w), the mean renormalised row of each image, where the maps of classes need it; else None.
    """

    numbers: dict[str, Tensor]
    sums: dict[str, Tensor]
    empty: Tensor
    pure: Tensor | None


class _Totals:
    """What the blocks of a batch add up to. Arrays that no metric needs hold any numbers.

    Attributes:
        mass: the sum of each row over the patches, (B, H, h w); 1 where no metric needs it.
        weighted: the same, weighted by the distance of the patches.
        entropy: of each row, (B, H, h w).
        weights: of the queries, (B, H, m, h w): 1, and then what renormalises the row; m is 0, 1 or 2, as needed.
        received: the attention that keys receive with these weights, (n, B, H, m, T), for n blocks of queries.
        means: the mean attention that keys receive, (n, B, H, T).
        squares: the squared deviations from these means, summed over queries, (n, B, H, T).
        heads: the deviations over heads, summed over queries, (n, B).
        aligned: the sum of aligned rows, if needed.
    """

    def __init__(self, attention: Tensor, patches: int, blocks: int, weights: int, aligned: AlignedSum | None) -> None:
        batch, heads, tokens, _ = attention.shape
        self.mass, self.weighted, self.entropy = attention.new_ones(3, batch, heads, patches)
        self.weights = attention.new_ones(batch, heads, weights, patches)
        self.received = attention.new_empty(blocks, batch, heads, weights, tokens)
        self.means, self.squares = attention.new_empty(2, blocks, batch, heads, tokens)
        self.heads = attention.new_empty(blocks, batch)
        self.aligned = aligned


class Reduction:
    """The reductions that the requested metrics need.

    Args:
        model: the shape of the model.
        metrics: the requested metrics.
        device: the device of the attention.
    """

    def __init__(self, model: ModelInfo, metrics: frozenset[str], device: torch.device) -> None:
        self.model, self.device, self.of_classes = model, device, "attn-map-class-std" in metrics
        self.patches = model.grid[0] * model.grid[1]
        self.numbers, self.maps = (metrics & NUMBERS) - _without(model), metrics & MAPS
        self.of_aligned, self.of_pure = bool(metrics & FROM_ALIGNED), bool(metrics & FROM_PURE)
        self.of_received = bool(self.maps & {"attn-map-all", "attn-map-spatial"} or "attn-position-std" in self.numbers)
        of_mass = self.of_aligned or self.of_pure or "attn-distance" in self.numbers
        self.table = measures.distance_table(model.grid, model.prefix).to(device) if of_mass else None
        self._memory: Tensor | None = None

    def columns(self, metric: str) -> int:
        """Return the number of columns of a metric: one per head and their mean, or only the layer's own."""
        return 1 if metric in OF_LAYERS else self.model.heads + 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the summed arrays; ``aligned`` is (even and odd images, H, 2h-1, 2w-1)."""
        heads, (rows, columns) = self.model.heads, self.model.grid
        shapes: dict[str, tuple[int, ...]] = {
            name: (heads, self.patches if name == "attn-map-spatial-pure" else self.model.tokens) for name in self.maps
        }
        return shapes | ({"aligned": (2, heads, 2 * rows - 1, 2 * columns - 1)} if self.of_aligned else {})

    def of(self, attention: Tensor, halves: Sequence[int]) -> Reduced:
        """Reduce one layer of a batch; ``halves`` has 0 for images of even index and 1 for images of odd index."""
        images, queries = self._block_size(len(halves))
        blocks = self._blocks(queries)
        aligned = AlignedSum(len(halves), self.model.heads, self.model.grid, self.device) if self.of_aligned else None
        totals = _Totals(attention, self.patches, len(blocks), self.of_received + self.of_pure, aligned)
        spatial = attention[:, :, self.model.prefix :]
        for first in range(0, len(halves), images):
            for block, part in enumerate(blocks):
                here = slice(first, first + images)
                self._add(spatial[here, :, part], totals, here, part, block)
        return self._reduced(attention, totals, halves, blocks)

    def _block_size(self, images: int) -> tuple[int, int]:
        """Return the numbers of images and queries in a block: whole images, or rows of the grid, or parts of one."""
        high, wide = self.model.grid
        row_bytes = 4 * self.model.heads * self.model.tokens * wide
        budget = CACHE if self.device.type == "cpu" else DEVICE_BLOCK
        if row_bytes > budget:
            return 1, _even(wide, budget * wide // row_bytes)
        rows = _even(high, budget // row_bytes)
        return (_even(images, budget // (row_bytes * high)) if rows == high else 1), rows * wide

    def _blocks(self, queries: int) -> list[slice]:
        """Divide the queries: a block has whole rows of the grid, or part of one."""
        wide = self.model.grid[1]
        span = self.patches if queries >= wide else wide
        return [
            slice(start + part, start + min(part + queries, span))
            for start in range(0, self.patches, span)
            for part in range(0, span, queries)
        ]

    def _add(self, rows: Tensor, totals: _Totals, images: slice, queries: slice, block: int) -> None:
        """Add a block to the totals.

        Args:
            rows: (b, H, Q, T).
            totals: of the batch.
            images: the block's images.
            queries: the block's queries.
            block: the number of the block of queries, from 0.
        """
        here, memory = (images, slice(None), queries), self._memory_like(rows)
        if self.table is not None:
            mass, totals.weighted[here] = measures.spatial_sums(rows, self.table[queries])
            factors, totals.mass[here] = measures.inverse_mass(mass), mass
            if self.of_pure:
                totals.weights[images, :, -1, queries] = factors
            if totals.aligned is not None:
                totals.aligned.add(rows[..., self.model.prefix :], factors, queries.start, images.start)
        if self.numbers & {"attn-entropy", "attn-nmi"}:
            totals.entropy[here] = measures.row_entropy(rows, memory)
        if self.of_received or self.of_pure:
            received = measures.received(rows, totals.weights[images, :, :, queries])
            totals.received[block, images] = received
            if "attn-position-std" in self.numbers:
                totals.means[block, images] = mean = received[:, :, 0] / rows.shape[2]
                totals.squares[block, images] = measures.squared_deviations(rows, mean, memory)
        if "attn-head-std" in self.numbers:
            totals.heads[block, images] = measures.head_deviation(rows, self.patches, memory)

    def _memory_like(self, rows: Tensor) -> Tensor | None:
        """Return memory for an intermediate result, on a CPU the same for all blocks, so that it stays in a cache."""
        if self.device.type != "cpu":
            return None
        if self._memory is None or self._memory.numel() < rows.numel():
            self._memory = torch.empty(rows.numel())
        return self._memory[: rows.numel()].view(rows.shape)

    def _reduced(self, attention: Tensor, totals: _Totals, halves: Sequence[int], blocks: list[slice]) -> Reduced:
        """Turn the totals of the batch into its numbers and sums."""
        received = _sum(totals.received)
        pure = received[:, :, -1, -self.patches :] / self.patches if self.of_pure else None
        numbers = self._numbers(attention[:, :, self.model.prefix :], totals, received, blocks)
        return Reduced(
            numbers={name: self._with_mean(name, values) for name, values in numbers.items()},
            sums=self._sums(attention, totals, halves, received, pure),
            empty=(totals.mass <= 0).sum(),
            pure=pure if self.of_classes else None,
        )

    def _numbers(self, rows: Tensor, totals: _Totals, received: Tensor, blocks: list[slice]) -> dict[str, Tensor]:
        """Return the numbers of each image, (B, H) or of the layer (B, 1)."""
        numbers: dict[str, Tensor] = {}
        if "attn-distance" in self.numbers:
            numbers["attn-distance"] = measures.attention_distance(totals.weighted, totals.mass) / self.patches
        if "attn-on-cls" in self.numbers:
            numbers["attn-on-cls"] = measures.attention_on_class(rows) / self.patches
        if "attn-on-registers" in self.numbers:
            class_token = self.model.class_token
            total = measures.attention_on_registers(rows, self.patches, class_token=class_token)
            numbers["attn-on-registers"] = total / self.patches
        if "attn-position-std" in self.numbers:
            counts = [block.stop - block.start for block in blocks]
            moments = Moments.joined(counts, totals.means, totals.squares)
            numbers["attn-position-std"] = measures.position_deviation(moments, self.patches)
        if "attn-head-std" in self.numbers:
            numbers["attn-head-std"] = _sum(totals.heads)[:, None] / self.patches
        if "attn-entropy" in self.numbers:
            numbers["attn-entropy"] = totals.entropy.mean(dim=-1, dtype=accumulator(rows.device))
        if "attn-nmi" in self.numbers:
            entropy = totals.entropy - measures.row_entropy(rows[..., : self.model.prefix])
            information = row_information(entropy, totals.mass, measures.inverse_mass(totals.mass))
            numbers["attn-nmi"] = normalised_information(information, received[:, :, -1, -self.patches :])
        return numbers

    def _sums(
        self, attention: Tensor, totals: _Totals, halves: Sequence[int], received: Tensor, pure: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the sums over the images."""
        sums: dict[str, Tensor] = {}
        if totals.aligned is not None:
            present = sorted(set(halves))
            weights = torch.tensor([[float(half == each) for each in halves] for half in present], device=self.device)
            sums["aligned"] = torch.zeros(self.shapes()["aligned"], dtype=accumulator(self.device), device=self.device)
            sums["aligned"][present] = totals.aligned.maps(weights)
        if "attn-map-cls" in self.maps:
            sums["attn-map-cls"] = _sum(attention[:, :, 0])
        if "attn-map-all" in self.maps:
            of_prefix = _sum(attention[:, :, : self.model.prefix]).sum(dim=1)
            sums["attn-map-all"] = (received[:, :, 0].sum(dim=0) + of_prefix) / self.model.tokens
        if "attn-map-spatial" in self.maps:
            sums["attn-map-spatial"] = received[:, :, 0].sum(dim=0) / self.patches
        if "attn-map-spatial-pure" in self.maps and pure is not None:
            sums["attn-map-spatial-pure"] = pure.sum(dim=0)
        return sums

    def _with_mean(self, metric: str, values: Tensor) -> Tensor:
        return values if metric in OF_LAYERS else torch.cat([values, values.nanmean(dim=1, keepdim=True)], dim=1)


def _without(model: ModelInfo) -> set[str]:
    """Return the numbers that a model does not have."""
    # A deviation needs two values, and so does an entropy.
    without = {"attn-position-std", "attn-nmi"} if model.grid == (1, 1) else set[str]()
    without |= {"attn-head-std"} if model.heads == 1 else set()
    return without if model.registers else without | {"attn-on-registers"}


def _sum(values: Tensor) -> Tensor:
    """Return the sum over the first axis."""
    return values.sum(dim=0, dtype=accumulator(values.device))


def _even(count: int, most: int) -> int:
    """Return the size of equal parts of at most that size, at least 1."""
    return math.ceil(count / math.ceil(count / max(1, most)))
