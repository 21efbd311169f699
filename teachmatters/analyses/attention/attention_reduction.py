"""The reduction of a batch's attention to a few numbers per image and a few arrays per batch, on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from teachmatters.api import ModelInfo
from teachmatters.measures.attention import attention as measures
from teachmatters.measures.attention.aligned import align, displacements
from teachmatters.measures.attention.information import normalised_information, row_information
from teachmatters.measures.moments import accumulator

# A function of attention (b, H, T, T) and its renormalised spatial rows (b, H, N, N). It returns numbers per image,
# (b, H) or (b, 1), or a sum over images.
Reduce: TypeAlias = Callable[[Tensor, Tensor], Tensor]

OF_LAYERS = frozenset({"attn-head-std"})
FROM_ALIGNED = frozenset(
    {"attn-offset", "attn-offset-x", "attn-offset-y", "attn-map-aligned", "attn-head-type", "attn-head-share"}
    | {"attn-head-agreement", "attn-head-margin", "attn-head-offset-x", "attn-head-offset-y"}
)
FROM_ROWS = FROM_ALIGNED | {"attn-distance", "attn-nmi", "attn-map-spatial-pure", "attn-map-class-std"}


@dataclass(frozen=True, slots=True)
class Reduced:
    """The reduced attention of one layer of one batch.

    Attributes:
        numbers: by metric, (B, columns); the last column is the mean over heads.
        sums: by name, sums over the images of the batch, in the shapes of Reduction.shapes.
        empty: the number of rows without mass, 0-d.
    """

    numbers: dict[str, Tensor]
    sums: dict[str, Tensor]
    empty: Tensor


class Reduction:
    """The reductions that the requested metrics need.

    Args:
        model: the shape of the model.
        metrics: the requested metrics.
        device: the device of the attention.
        classes: the number of classes, for the maps of classes; 0 where they are not needed.
    """

    def __init__(self, model: ModelInfo, metrics: frozenset[str], device: torch.device, classes: int = 0) -> None:
        self.model, self.metrics, self.device = model, metrics, device
        self.patches, self.classes = model.grid[0] * model.grid[1], classes
        self.numbers = self._numbers()
        self.maps = self._maps()
        self.of_rows, self.of_aligned = bool(metrics & FROM_ROWS), bool(metrics & FROM_ALIGNED)
        self.index = displacements(model.grid).to(device)

    def _numbers(self) -> dict[str, Reduce]:
        n, distances = self.patches, measures.patch_distances(self.model.grid).to(self.device, torch.float32)
        every: dict[str, Reduce] = {
            "attn-distance": lambda _, rows: measures.attention_distance(rows, distances),
            "attn-on-cls": lambda attention, _: measures.attention_on_class(attention, n),
            "attn-entropy": lambda attention, _: measures.attention_entropy(attention, n),
        }
        if n > 1:  # a deviation needs two values, and so does an entropy
            every["attn-position-std"] = lambda attention, _: measures.position_deviation(attention, n)
            every["attn-nmi"] = lambda _, rows: _information(rows)
        if self.model.registers:
            every["attn-on-registers"] = lambda attention, _: measures.attention_on_registers(
                attention, n, class_token=self.model.class_token
            )
        if self.model.heads > 1:
            every["attn-head-std"] = lambda attention, _: measures.head_deviation(attention, n)[:, None]
        return {name: reduce for name, reduce in every.items() if name in self.metrics}

    def _maps(self) -> dict[str, Reduce]:
        every: dict[str, Reduce] = {
            "attn-map-all": lambda attention, _: attention.mean(dim=-2).sum(dim=0),
            "attn-map-cls": lambda attention, _: attention[..., 0, :].sum(dim=0),
            "attn-map-spatial": lambda attention, _: attention[..., -self.patches :, :].mean(dim=-2).sum(dim=0),
            "attn-map-spatial-pure": lambda _, rows: rows.mean(dim=-2).sum(dim=0),
        }
        return {name: reduce for name, reduce in every.items() if name in self.metrics}

    def columns(self, metric: str) -> int:
        """Return the number of columns of a metric: one per head and their mean, or only the layer's own."""
        return 1 if metric in OF_LAYERS else self.model.heads + 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the summed arrays.

        ``aligned`` is (even and odd images, H, 2h-1, 2w-1), ``classes`` (classes, H, h w).
        """
        heads, (rows, columns) = self.model.heads, self.model.grid
        shapes: dict[str, tuple[int, ...]] = {
            name: (heads, self.patches if name == "attn-map-spatial-pure" else self.model.tokens) for name in self.maps
        }
        if self.classes:
            shapes["classes"] = (self.classes, heads, self.patches)
        return shapes | ({"aligned": (2, heads, 2 * rows - 1, 2 * columns - 1)} if self.of_aligned else {})

    def of(self, attention: Tensor, halves: Sequence[int], labels: Sequence[int]) -> Reduced:
        """Reduce one layer of a batch.

        Args:
            attention: (B, H, T, T).
            halves: of each image, 0 for an even index and 1 for an odd index.
            labels: of each image, its class.
        """
        wide = accumulator(attention.device)
        found: dict[str, list[Tensor]] = {name: [] for name in self.numbers}
        sums = {name: torch.zeros((), dtype=wide, device=attention.device) for name in self.maps}
        if self.classes:
            sums["classes"] = torch.zeros(self.shapes()["classes"], dtype=wide, device=attention.device)
        rows_of: dict[int, Tensor] = {}
        empty = torch.zeros((), dtype=torch.int64, device=attention.device)
        for half, where, part in _parts(attention, halves):
            rows = part
            if self.of_rows:
                rows, none = measures.spatial_rows(part, self.patches)
                empty += none
            for name, reduce in self.numbers.items():
                found[name].append(reduce(part, rows))
            for name, reduce in self.maps.items():
                sums[name] = sums[name] + reduce(part, rows)
            if self.classes:
                classes = torch.tensor([labels[i] for i in where], device=attention.device)
                sums["classes"].index_add_(0, classes, rows.mean(dim=-2).to(wide))
            if self.of_aligned:
                total = rows.sum(dim=0)
                rows_of[half] = rows_of[half].add_(total) if half in rows_of else total
        numbers = {name: self._with_mean(name, torch.cat(parts).to(wide)) for name, parts in found.items()}
        if self.of_aligned:
            none_of = torch.zeros_like(next(iter(rows_of.values())))
            sums["aligned"] = torch.stack([self._aligned(rows_of.get(half, none_of).to(wide)) for half in (0, 1)])
        return Reduced(numbers, sums, empty)

    def _aligned(self, rows: Tensor) -> Tensor:
        return align(rows, self.index, self.model.grid)

    def _with_mean(self, metric: str, values: Tensor) -> Tensor:
        return values if metric in OF_LAYERS else torch.cat([values, values.nanmean(dim=1, keepdim=True)], dim=1)


def _information(rows: Tensor) -> Tensor:
    """Compute the normalised mutual information of renormalised rows, (b, H)."""
    return normalised_information(row_information(rows, rows.new_ones(rows.shape[:-1])), rows.sum(dim=-2))


def _parts(attention: Tensor, halves: Sequence[int]) -> Iterator[tuple[int, list[int], Tensor]]:
    """Yield the images of each half together, with their places in the batch.

    On a CPU, yield them one by one, so that intermediate results stay in its cache.
    """
    if attention.device.type == "cpu":
        for place, (half, part) in enumerate(zip(halves, torch.split(attention, 1), strict=True)):
            yield half, [place], part
        return
    for half in sorted(set(halves)):
        where = [position for position, own in enumerate(halves) if own == half]
        whole = len(where) == len(halves)
        yield half, where, attention if whole else attention[torch.tensor(where, device=attention.device)]
