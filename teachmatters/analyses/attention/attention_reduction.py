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
from teachmatters.measures.moments import accumulator

# A function of attention (b, H, T, T) and its renormalised spatial rows (b, H, N, N). It returns numbers per image,
# (b, H) or (b, 1), or a sum over images.
Reduce: TypeAlias = Callable[[Tensor, Tensor], Tensor]

OF_LAYERS = frozenset({"attn-head-std"})
FROM_ALIGNED = frozenset(
    {"attn-offset", "attn-offset-x", "attn-offset-y", "attn-map-aligned", "attn-head-type", "attn-head-share"}
    | {"attn-head-agreement", "attn-head-margin", "attn-head-offset-x", "attn-head-offset-y"}
)
FROM_ROWS = FROM_ALIGNED | {"attn-distance", "attn-map-spatial-pure"}


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
    """

    def __init__(self, model: ModelInfo, metrics: frozenset[str], device: torch.device) -> None:
        self.model, self.metrics, self.device = model, metrics, device
        self.patches = model.grid[0] * model.grid[1]
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
        if n > 1:  # a deviation needs two values
            every["attn-position-std"] = lambda attention, _: measures.position_deviation(attention, n)
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
        """Return the shapes of the summed arrays; ``aligned`` is (even and odd images, H, 2h-1, 2w-1)."""
        heads, (rows, columns) = self.model.heads, self.model.grid
        shapes: dict[str, tuple[int, ...]] = {
            name: (heads, self.patches if name == "attn-map-spatial-pure" else self.model.tokens) for name in self.maps
        }
        return shapes | ({"aligned": (2, heads, 2 * rows - 1, 2 * columns - 1)} if self.of_aligned else {})

    def of(self, attention: Tensor, halves: Sequence[int]) -> Reduced:
        """Reduce one layer of a batch; ``halves`` has 0 for images of even index and 1 for images of odd index."""
        wide = accumulator(attention.device)
        found: dict[str, list[Tensor]] = {name: [] for name in self.numbers}
        sums = {name: torch.zeros((), dtype=wide, device=attention.device) for name in self.maps}
        rows_of: dict[int, Tensor] = {}
        empty = torch.zeros((), dtype=torch.int64, device=attention.device)
        for half, part in _parts(attention, halves):
            rows = part
            if self.of_rows:
                rows, none = measures.spatial_rows(part, self.patches)
                empty += none
            for name, reduce in self.numbers.items():
                found[name].append(reduce(part, rows))
            for name, reduce in self.maps.items():
                sums[name] = sums[name] + reduce(part, rows)
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
        return values if metric in OF_LAYERS else torch.cat([values, values.mean(dim=1, keepdim=True)], dim=1)


def _parts(attention: Tensor, halves: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """Yield the images of each half together; on a CPU, one by one, so that intermediate results stay in its cache."""
    if attention.device.type == "cpu":
        yield from zip(halves, torch.split(attention, 1), strict=True)
        return
    for half in sorted(set(halves)):
        where = [position for position, own in enumerate(halves) if own == half]
        whole = len(where) == len(halves)
        yield half, attention if whole else attention[torch.tensor(where, device=attention.device)]
