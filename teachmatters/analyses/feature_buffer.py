"""Analyses that need the vectors of all images together: from the cache, or from the state of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from teachmatters.api import Analysis, Batch, Context, Readout, Role, State, Tap

Features: TypeAlias = NDArray[np.float32]

# Images of a gallery that are in memory at a time.
GALLERY_BLOCK = 32768


class FeatureAnalysis(Analysis):
    """The base of analyses that only need ``Context.features``."""

    def start(self, context: Context) -> None:
        self.context = context

    def update(self, layer: int, tap: Tap, batch: Batch) -> None: ...

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}

    def queries(self, layer: int) -> torch.Tensor:
        """Return the vectors of all queries, (Q, C), on the device."""
        vectors = self.context.features.read("queries", Readout.of(self.context.parameters), layer)
        return torch.from_numpy(vectors).to(self.context.device)

    def gallery(self, layer: int) -> Iterator[torch.Tensor]:
        """Read the vectors of the gallery in blocks (n, C), on the device."""
        features, readout = self.context.features, Readout.of(self.context.parameters)
        for start in range(0, len(features.index("gallery")), GALLERY_BLOCK):
            block = features.read("gallery", readout, layer, start, start + GALLERY_BLOCK)
            yield torch.from_numpy(block).to(self.context.device)


class FeatureBuffer:
    """A buffer of vectors of one width per role and layer. Items that never arrive leave no row."""

    def __init__(self, context: Context, width: int) -> None:
        self.depth, self.width = context.model.depth, width
        self.index: dict[Role, list[int]] = {role: [] for role in context.items}
        self.blocks: dict[Role, list[Features]] = {role: [] for role in context.items}
        self.layers: dict[Role, list[torch.Tensor]] = {role: [] for role in context.items}

    def add(self, layer: int, batch: Batch) -> None:
        """Add the (B, width) features of one layer; layers come in order, from 1."""
        layers = self.layers[batch.role]
        layers.append(batch.values.float().clone())
        if layer == self.depth:  # one transfer per batch instead of one per layer
            self.blocks[batch.role].append(torch.stack(layers).cpu().numpy())
            self.index[batch.role] += [row.index for row in batch.rows]
            layers.clear()

    def state(self) -> State:
        """Return ``<role>/index`` (n,), ascending, and ``<role>/<layer>`` (n, width) for every layer."""
        state: State = {}
        for role, index in self.index.items():
            order = np.argsort(np.array(index, dtype=np.int64), kind="stable")
            state[f"{role}/index"] = np.array(index, dtype=np.int64)[order]
            for layer in range(self.depth):
                parts = [block[layer] for block in self.blocks[role]]
                whole = np.concatenate(parts) if parts else np.empty((0, self.width), np.float32)
                state[f"{role}/{layer + 1}"] = whole[order]
        return state


def merge_features(states: Sequence[State]) -> State:
    """Merge the states of several buffers, in the order of the items."""
    merged: State = {}
    for role in [name.removesuffix("/index") for name in states[0] if name.endswith("/index")]:
        order = np.argsort(np.concatenate([np.asarray(state[f"{role}/index"]) for state in states]), kind="stable")
        for name in [name for name in states[0] if name.startswith(f"{role}/")]:
            merged[name] = np.concatenate([np.asarray(state[name]) for state in states])[order]
    return merged
