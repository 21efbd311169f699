"""Numbers of single units, such as images: accumulated by batch, merged in order, averaged at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import Record, Result, State, StoredMap


class Scores:
    """An array of numbers for each image and layer.

    Args:
        layers: the number of layers.
        shape: the shape of one image's numbers at one layer.
    """

    def __init__(self, layers: int, shape: tuple[int, ...] = ()) -> None:
        self.layers, self.shape = layers, shape
        self.index: list[int] = []
        self.blocks: list[NDArray[np.float32]] = []
        self.pending: list[Tensor] = []

    def add(self, layer: int, values: Tensor, index: Sequence[int]) -> None:
        """Add the (B, *shape) numbers of one layer; layers come in order, from 1, all with the same images."""
        self.pending.append(values.float())
        if layer == self.layers:  # one transfer per batch instead of one per layer
            self.blocks.append(torch.stack(self.pending, dim=1).cpu().numpy())
            self.index += index
            self.pending.clear()

    def state(self, name: str) -> State:
        """Return ``<name>/index`` (n,), ascending, and ``<name>/values`` (n, layers, *shape)."""
        empty = np.empty((0, self.layers, *self.shape), np.float32)
        index, values = np.array(self.index, dtype=np.int64), np.concatenate([empty, *self.blocks])
        order = np.argsort(index, kind="stable")
        return {f"{name}/index": index[order], f"{name}/values": values[order]}


def merge_scores(states: Sequence[State], name: str) -> State:
    """Merge the states of several parts, in the order of the items."""
    index = np.concatenate([np.asarray(state[f"{name}/index"]) for state in states])
    values = np.concatenate([np.asarray(state[f"{name}/values"]) for state in states])
    order = np.argsort(index, kind="stable")
    return {f"{name}/index": index[order], f"{name}/values": values[order]}


def mean_record(
    metric: str, layer: int, scores: NDArray[np.generic], *, head: int = 0, category: str = "", protocol: str = ""
) -> Record:
    """Return the record of a mean over units, with their deviation and number."""
    wide = scores.astype(np.float64)
    return Record(
        metric=metric,
        layer=layer,
        value=float(wide.mean()),
        head=head,
        category=category,
        protocol=protocol,
        std=float(wide.std(ddof=1)) if len(wide) > 1 else None,
        n=len(wide),
    )


def unit_map(metric: str, layer: int, scores: NDArray[np.generic], units: tuple[str, ...]) -> StoredMap:
    """Return the map of the scores of all units: integers of 8 bits as they are, others in single precision."""
    array = np.ascontiguousarray(scores, np.uint8 if scores.dtype == np.uint8 else np.float32)
    return StoredMap(name=f"unit:{metric}", layer=layer, axes=("unit",), array=array, units=units)


def pseudo_map(metric: str, layer: int, values: NDArray[np.float64], units: tuple[str, ...]) -> StoredMap:
    """Return the map of the pseudo-values of all units, whose mean is a value that pools what units consist of."""
    return StoredMap(name=f"pseudo:{metric}", layer=layer, axes=("unit",), array=values.astype(np.float32), units=units)


def record_headline(
    result: Result, metric: str, layer: int, scores: NDArray[np.generic], units: tuple[str, ...]
) -> None:
    """Add the record of a layer's mean, and the map of the scores of all units."""
    result.records.append(mean_record(metric, layer, scores))
    result.maps.append(unit_map(metric, layer, scores, units))
