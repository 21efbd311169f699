"""The reduction of a batch's attention to a few numbers per image and a few arrays per batch, on the device."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from teachmatters.api import ModelInfo
from teachmatters.measures.attention import attention as measures
from teachmatters.measures.attention.aligned import AlignedSum
from teachmatters.measures.attention.information import normalised_information, row_information
from teachmatters.measures.moments import Moments, accumulator

# Bytes of attention that are read at a time: little enough to stay in a core's cache through all reductions, and on a
# GPU to limit the memory of intermediate results.
CACHE, DEVICE_BLOCK = 1_250_000, 2**28

# By name, totals over some queries: they add up over blocks of queries.
Totals: TypeAlias = dict[str, Tensor | Moments]

OF_LAYERS = frozenset({"attn-head-std"})
FROM_ALIGNED = frozenset(
    {"attn-offset", "attn-offset-x", "attn-offset-y", "attn-map-aligned", "attn-head-type", "attn-head-share"}
    | {"attn-head-agreement", "attn-head-margin", "attn-head-offset-x", "attn-head-offset-y"}
)
# From the attention that each patch receives, after rows were renormalised.
FROM_RECEIVED = frozenset({"attn-nmi", "attn-map-spatial-pure", "attn-map-class-std"})
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
        self.of_aligned, self.of_received = bool(metrics & FROM_ALIGNED), bool(metrics & FROM_RECEIVED)
        of_rows = self.of_aligned or self.of_received or "attn-distance" in metrics
        self.table = measures.distance_table(model.grid, model.prefix).to(device) if of_rows else None

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
        images, _ = self._block_size()
        parts = [
            self._images(attention[here], halves[here])
            for here in (slice(start, start + images) for start in range(0, len(halves), images))
        ]
        numbers = {name: torch.cat([part.numbers[name] for part in parts]) for name in self.numbers}
        sums = {name: functools.reduce(torch.add, [part.sums[name] for part in parts]) for name in self.shapes()}
        pure = [part.pure for part in parts if part.pure is not None]
        empty = functools.reduce(torch.add, [part.empty for part in parts])
        return Reduced(numbers, sums, empty, torch.cat(pure) if pure else None)

    def _block_size(self) -> tuple[int, int]:
        """Return the number of images and the number of rows of the grid in a block."""
        high, wide = self.model.grid
        row = 4 * self.model.heads * wide * self.model.tokens
        budget = CACHE if self.device.type == "cpu" else DEVICE_BLOCK
        return max(1, budget // (row * high)), min(high, max(1, budget // row))

    def _images(self, attention: Tensor, halves: Sequence[int]) -> Reduced:
        """Reduce some images, in blocks of a few rows of the grid."""
        (high, wide), heads = self.model.grid, self.model.heads
        step = self._block_size()[1]
        aligned = AlignedSum(len(halves), heads, self.model.grid, self.device) if self.of_aligned else None
        totals: Totals = {}
        for first in range(0, high, step):
            start = self.model.prefix + first * wide
            rows = attention[:, :, start : start + step * wide]
            entropy = measures.row_entropy(rows) if self.numbers & {"attn-entropy", "attn-nmi"} else None
            found = self._block(rows, entropy) | self._of_rows(rows, first, entropy, aligned)
            totals = {name: _added(totals[name], total) if totals else total for name, total in found.items()}
        if aligned is not None:
            maps = aligned.maps()
            of_halves = maps.new_zeros(self.shapes()["aligned"])
            totals["aligned"] = of_halves.index_add_(0, torch.tensor(halves, device=maps.device), maps)
        return self._reduced(attention, totals)

    def _block(self, rows: Tensor, entropy: Tensor | None) -> Totals:
        """Return totals over a block of queries, (b, H, Q, T)."""
        wide = accumulator(rows.device)
        found: Totals = {}
        moments: Moments | None = None
        if "attn-on-cls" in self.numbers:
            found["attn-on-cls"] = measures.attention_on_class(rows)
        if "attn-on-registers" in self.numbers:
            class_token = self.model.class_token
            found["attn-on-registers"] = measures.attention_on_registers(rows, self.patches, class_token=class_token)
        if "attn-entropy" in self.numbers and entropy is not None:
            found["attn-entropy"] = entropy.sum(dim=-1, dtype=wide)
        if "attn-head-std" in self.numbers:
            found["attn-head-std"] = measures.head_deviation(rows, self.patches)[:, None]
        if "attn-position-std" in self.numbers:
            found["attn-position-std"] = moments = measures.key_moments(rows)
        if self.maps & {"attn-map-all", "attn-map-spatial"}:
            received = measures.received(rows) if moments is None else moments.mean * rows.shape[2]
            found["received"] = received.sum(dim=0)
        return {name: total if isinstance(total, Moments) else total.to(wide) for name, total in found.items()}

    def _of_rows(self, rows: Tensor, first: int, entropy: Tensor | None, aligned: AlignedSum | None) -> Totals:
        """Return the totals over rows renormalised over the spatial keys; ``first`` is the first row of the grid."""
        if self.table is None:
            return {}
        start, spatial = first * self.model.grid[1], rows[..., -self.patches :]
        weighted, mass = measures.spatial_sums(rows, self.table[start : start + rows.shape[2]])
        factors, empty = measures.inverse_mass(mass)
        found: Totals = {"empty": _wide(empty)}
        if "attn-distance" in self.numbers:
            found["attn-distance"] = measures.attention_distance(weighted, factors)
        if self.of_received:
            found["received pure"] = _wide((factors[:, :, None] @ spatial).squeeze(2))
        if "attn-nmi" in self.numbers and entropy is not None:
            of_prefix = measures.row_entropy(rows[..., : self.model.prefix])
            found["attn-nmi"] = row_information(entropy - of_prefix, mass, factors)
        if aligned is not None:
            aligned.add(spatial, factors, first)
        return found

    def _reduced(self, attention: Tensor, totals: Totals) -> Reduced:
        """Turn the totals over all queries into means."""
        numbers = {name: self._with_mean(name, self._number(name, totals)) for name in self.numbers}
        sums = {"aligned": _tensor(totals["aligned"])} if self.of_aligned else {}
        if "attn-map-cls" in self.maps:
            sums["attn-map-cls"] = _wide(attention[:, :, 0].sum(dim=0))
        if "attn-map-all" in self.maps:
            of_prefix = _wide(attention[:, :, : self.model.prefix].sum(dim=(0, 2)))
            sums["attn-map-all"] = (_tensor(totals["received"]) + of_prefix) / self.model.tokens
        if "attn-map-spatial" in self.maps:
            sums["attn-map-spatial"] = _tensor(totals["received"]) / self.patches
        if "attn-map-spatial-pure" in self.maps:
            sums["attn-map-spatial-pure"] = _tensor(totals["received pure"]).sum(dim=0) / self.patches
        empty = _tensor(totals["empty"]) if "empty" in totals else torch.zeros((), device=attention.device)
        pure = _tensor(totals["received pure"]) / self.patches if self.of_classes else None
        return Reduced(numbers, sums, empty.long(), pure)

    def _number(self, name: str, totals: Totals) -> Tensor:
        total = totals[name]
        if isinstance(total, Moments):
            return measures.position_deviation(total, self.patches)
        if name == "attn-nmi":
            return normalised_information(total, _tensor(totals["received pure"]))
        return total / self.patches

    def _with_mean(self, metric: str, values: Tensor) -> Tensor:
        return values if metric in OF_LAYERS else torch.cat([values, values.nanmean(dim=1, keepdim=True)], dim=1)


def _without(model: ModelInfo) -> set[str]:
    """Return the numbers that a model does not have."""
    # A deviation needs two values, and so does an entropy.
    without = {"attn-position-std", "attn-nmi"} if model.grid == (1, 1) else set[str]()
    without |= {"attn-head-std"} if model.heads == 1 else set()
    return without if model.registers else without | {"attn-on-registers"}


def _added(total: Tensor | Moments, other: Tensor | Moments) -> Tensor | Moments:
    if isinstance(total, Moments):
        assert isinstance(other, Moments)
        return total + other
    return total + _tensor(other)


def _tensor(total: Tensor | Moments) -> Tensor:
    assert isinstance(total, Tensor)
    return total


def _wide(values: Tensor) -> Tensor:
    return values.to(accumulator(values.device))
