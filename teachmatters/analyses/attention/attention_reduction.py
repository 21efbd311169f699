"""The reduction of a batch's attention to a few numbers per image and a few arrays per batch, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.api import ModelInfo
from teachmatters.measures.attention import attention as measures
from teachmatters.measures.attention.information import normalised_information
from teachmatters.measures.attention.totals import AttentionTotals, TotalsSelection, totals_in_blocks
from teachmatters.measures.moments import accumulator

# Weights of attention, of all images and layers, from which compiled code saves more CPU time than it takes to load.
COMPILED_FROM = 500_000_000

OF_LAYERS = frozenset({"attn-head-std"})
FROM_ALIGNED = frozenset(
    {"attn-offset", "attn-offset-x", "attn-offset-y", "attn-map-aligned", "attn-head-type", "attn-head-share"}
    | {"attn-head-agreement", "attn-head-margin", "attn-head-offset-x", "attn-head-offset-y"}
)
# From the attention that each patch receives, after rows were renormalised.
FROM_PURE = frozenset({"attn-nmi", "attn-map-spatial-pure", "attn-map-class-std"})
FROM_RECEIVED = frozenset({"attn-on-cls", "attn-on-registers"})
NUMBERS = OF_LAYERS | FROM_RECEIVED | {"attn-distance", "attn-position-std", "attn-entropy", "attn-nmi"}
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
        images: how many images the run has.
    """

    def __init__(self, model: ModelInfo, metrics: frozenset[str], device: torch.device, images: int) -> None:
        self.model, self.device, self.of_classes = model, device, "attn-map-class-std" in metrics
        self.patches = model.grid[0] * model.grid[1]
        self.numbers, self.maps = (metrics & NUMBERS) - _without(model), metrics & MAPS
        self.of_aligned, self.of_pure = bool(metrics & FROM_ALIGNED), bool(metrics & FROM_PURE)
        self.wanted = TotalsSelection(
            distance="attn-distance" in self.numbers,
            entropy="attn-entropy" in self.numbers,
            information="attn-nmi" in self.numbers,
            received=bool(self.maps & {"attn-map-all", "attn-map-spatial"} or self.numbers & FROM_RECEIVED),
            pure=self.of_pure,
            position="attn-position-std" in self.numbers,
            heads="attn-head-std" in self.numbers,
            aligned=self.of_aligned,
        )
        weights = images * model.depth * model.heads * model.tokens**2
        self.compiled = device.type == "cpu" and weights >= COMPILED_FROM
        self.table = torch.empty(0, 2, 0)
        if self.wanted.needs_mass:
            self.table = measures.distance_table(model.grid, model.prefix).to(device)

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
        totals = self._totals(attention)
        pure = totals.pure[..., self.model.prefix :] / self.patches if self.of_pure else None
        numbers = self._numbers(totals)
        return Reduced(
            numbers={name: self._with_mean(name, values) for name, values in numbers.items()},
            sums=self._sums(attention, totals, halves, pure),
            empty=totals.empty.sum(),
            pure=pure if self.of_classes else None,
        )

    def _totals(self, attention: Tensor) -> AttentionTotals:
        if self.compiled:
            from teachmatters.measures.attention.compiled import compiled_totals  # imports Numba

            try:
                return compiled_totals(attention, self.model.grid, self.table, self.wanted)
            except OSError:  # no disk space for the machine code
                self.compiled = False
        return totals_in_blocks(attention, self.model.grid, self.table, self.wanted)

    def _numbers(self, totals: AttentionTotals) -> dict[str, Tensor]:
        """Return the numbers of each image, (B, H) or of the layer (B, 1)."""
        numbers: dict[str, Tensor] = {}
        if "attn-distance" in self.numbers:
            numbers["attn-distance"] = totals.distance / self.patches
        if "attn-on-cls" in self.numbers:
            numbers["attn-on-cls"] = totals.received[:, :, 0] / self.patches
        if "attn-on-registers" in self.numbers:
            registers = totals.received[:, :, int(self.model.class_token) : self.model.prefix]
            numbers["attn-on-registers"] = registers.sum(dim=-1) / self.patches
        if "attn-position-std" in self.numbers:
            numbers["attn-position-std"] = measures.position_deviation(totals.position, self.patches)
        if "attn-head-std" in self.numbers:
            numbers["attn-head-std"] = totals.heads[:, None] / self.patches
        if "attn-entropy" in self.numbers:
            numbers["attn-entropy"] = totals.entropy / self.patches
        if "attn-nmi" in self.numbers:
            received = totals.pure[..., self.model.prefix :]
            numbers["attn-nmi"] = normalised_information(totals.information, received)
        return numbers

    def _sums(
        self, attention: Tensor, totals: AttentionTotals, halves: Sequence[int], pure: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the sums over the images."""
        sums: dict[str, Tensor] = {}
        if self.of_aligned:
            shares = torch.tensor([[half == each for half in halves] for each in (0, 1)], device=self.device)
            sums["aligned"] = torch.tensordot(shares.to(totals.aligned.dtype), totals.aligned, 1)
        if "attn-map-cls" in self.maps:
            sums["attn-map-cls"] = _sum(attention[:, :, 0])
        if "attn-map-all" in self.maps:
            of_prefix = _sum(attention[:, :, : self.model.prefix]).sum(dim=1)
            sums["attn-map-all"] = (totals.received.sum(dim=0) + of_prefix) / self.model.tokens
        if "attn-map-spatial" in self.maps:
            sums["attn-map-spatial"] = totals.received.sum(dim=0) / self.patches
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
