"""The reduction of a batch's attention to a few numbers per image and a few arrays per batch, on the device."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from teachmatters.api import ModelInfo
from teachmatters.measures.attention import attention as measures
from teachmatters.measures.attention.aligned import AlignedSum
from teachmatters.measures.attention.information import normalised_information, row_information
from teachmatters.measures.moments import Moments, accumulator

# Bytes of attention that are read at a time: little enough to stay in the cores' caches through all reductions, with an
# intermediate result of the same size, but no less than a row of the grid at 1,370 tokens and six heads, because two
# cores lose more time than they save on its parts; on a GPU to limit the memory of intermediate results.
CACHE, DEVICE_BLOCK = 1_300_000, 2**28

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


@dataclass(slots=True)
class _Found:
    """Totals over the blocks of some images; lists have an element for each block.

    Attributes:
        aligned: the sum of aligned rows, if needed.
        mass, entropy: of each row, (b, H, Q).
        received: the attention that keys receive, (b, H, n, T): unweighted, and then from renormalised rows, if needed.
        moments: of the attention that keys receive.
        heads: the deviations over heads, (b,).
    """

    aligned: AlignedSum | None
    mass: list[Tensor] = field(default_factory=list)
    entropy: list[Tensor] = field(default_factory=list)
    received: list[Tensor] = field(default_factory=list)
    moments: list[Moments] = field(default_factory=list)
    heads: list[Tensor] = field(default_factory=list)


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
        self.distances = measures.offset_distances(model.grid).to(device, accumulator(device))

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
        parts = [
            self._images(attention[here], halves[here], queries)
            for here in (slice(start, start + images) for start in range(0, len(halves), images))
        ]
        numbers = {name: torch.cat([part.numbers[name] for part in parts]) for name in self.numbers}
        sums = {name: functools.reduce(torch.add, [part.sums[name] for part in parts]) for name in self.shapes()}
        pure = [part.pure for part in parts if part.pure is not None]
        empty = functools.reduce(torch.add, [part.empty for part in parts])
        return Reduced(numbers, sums, empty, torch.cat(pure) if pure else None)

    def _block_size(self, images: int) -> tuple[int, int]:
        """Return the numbers of images and queries in a block: few rows of the grid of many images, or parts of one."""
        wide = self.model.grid[1]
        row = 4 * self.model.heads * self.model.tokens * wide
        budget = CACHE if self.device.type == "cpu" else DEVICE_BLOCK
        if row > budget:
            return 1, _even(wide, budget * wide // row)
        images = _even(images, budget // row)
        return images, wide * max(1, budget // (row * images))

    def _images(self, attention: Tensor, halves: Sequence[int], queries: int) -> Reduced:
        """Reduce some images, in blocks of queries."""
        aligned = "attn-distance" in self.numbers or self.of_aligned
        found = _Found(AlignedSum(len(halves), self.model.heads, self.model.grid, self.device) if aligned else None)
        rows = attention[:, :, self.model.prefix :]
        for first in range(0, self.patches, queries):
            self._add(rows[:, :, first : first + queries], first, found)
        mass = torch.cat(found.mass, dim=-1) if found.mass else None
        maps = found.aligned.maps() if found.aligned else None
        received = _total(found.received) if found.received else None
        pure = received[:, :, -1, -self.patches :] / self.patches if received is not None and self.of_pure else None
        numbers = self._numbers(rows, found, maps, mass, received)
        return Reduced(
            numbers={name: self._with_mean(name, values) for name, values in numbers.items()},
            sums=self._sums(attention, halves, maps, received, pure),
            empty=torch.zeros((), dtype=torch.int64, device=self.device) if mass is None else (mass <= 0).sum(),
            pure=pure if self.of_classes else None,
        )

    def _add(self, rows: Tensor, first: int, found: _Found) -> None:
        """Add a block of queries (b, H, Q, T), the first of which has the number ``first``."""
        weights = [rows.new_ones(rows.shape[:3])] if self.of_received else []
        if self.of_pure or found.aligned is not None:
            mass = measures.spatial_mass(rows, self.patches)
            factors = measures.inverse_mass(mass)
            found.mass.append(mass)
            weights += [factors] if self.of_pure else []
            if found.aligned is not None:
                found.aligned.add(rows[..., self.model.prefix :], factors, first)
        if self.numbers & {"attn-entropy", "attn-nmi"}:
            found.entropy.append(measures.row_entropy(rows))
        if weights:
            received = measures.received(rows, torch.stack(weights, dim=2))
            found.received.append(received)
            if "attn-position-std" in self.numbers:
                found.moments.append(measures.key_moments(rows, received[:, :, 0] / rows.shape[2]))
        if "attn-head-std" in self.numbers:
            found.heads.append(measures.head_deviation(rows, self.patches))

    def _numbers(
        self, rows: Tensor, found: _Found, maps: Tensor | None, mass: Tensor | None, received: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the numbers of each image, (b, H) or of the layer (b, 1)."""
        numbers: dict[str, Tensor] = {}
        if "attn-distance" in self.numbers and maps is not None:
            numbers["attn-distance"] = measures.attention_distance(maps, self.distances) / self.patches
        if "attn-on-cls" in self.numbers:
            numbers["attn-on-cls"] = measures.attention_on_class(rows) / self.patches
        if "attn-on-registers" in self.numbers:
            class_token = self.model.class_token
            total = measures.attention_on_registers(rows, self.patches, class_token=class_token)
            numbers["attn-on-registers"] = total / self.patches
        if "attn-position-std" in self.numbers:
            numbers["attn-position-std"] = measures.position_deviation(Moments.joined(found.moments), self.patches)
        if "attn-head-std" in self.numbers:
            numbers["attn-head-std"] = _total(found.heads)[:, None] / self.patches
        if found.entropy:
            entropy = torch.cat(found.entropy, dim=-1)
            if "attn-entropy" in self.numbers:
                numbers["attn-entropy"] = entropy.mean(dim=-1, dtype=accumulator(rows.device))
            if "attn-nmi" in self.numbers and mass is not None and received is not None:
                entropy -= measures.row_entropy(rows[..., : self.model.prefix])
                information = row_information(entropy, mass, measures.inverse_mass(mass))
                numbers["attn-nmi"] = normalised_information(information, received[:, :, -1, -self.patches :])
        return numbers

    def _sums(
        self,
        attention: Tensor,
        halves: Sequence[int],
        maps: Tensor | None,
        received: Tensor | None,
        pure: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return the sums over the images."""
        sums: dict[str, Tensor] = {}
        if self.of_aligned and maps is not None:
            of_halves = maps.new_zeros(self.shapes()["aligned"])
            sums["aligned"] = of_halves.index_add_(0, torch.tensor(halves, device=maps.device), maps)
        if "attn-map-cls" in self.maps:
            sums["attn-map-cls"] = _wide(attention[:, :, 0].sum(dim=0))
        if "attn-map-all" in self.maps and received is not None:
            of_prefix = _wide(attention[:, :, : self.model.prefix].sum(dim=(0, 2)))
            sums["attn-map-all"] = (received[:, :, 0].sum(dim=0) + of_prefix) / self.model.tokens
        if "attn-map-spatial" in self.maps and received is not None:
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


def _wide(values: Tensor) -> Tensor:
    return values.to(accumulator(values.device))


def _total(blocks: list[Tensor]) -> Tensor:
    return torch.stack(blocks).sum(dim=0, dtype=accumulator(blocks[0].device))


def _even(count: int, most: int) -> int:
    """Return the size of equal parts of at most that size, at least 1."""
    return math.ceil(count / math.ceil(count / max(1, most)))
