"""Features that are needed all together: one vector per item and layer, found again by the item's index."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from teachmatters.api import Batch, Context, Role, State

Features: TypeAlias = NDArray[np.float32]


class Collector:
    """Gathers (items, depth, width) per role; items that never came leave no row."""

    def __init__(self, context: Context, width: int) -> None:
        self.depth = context.model.depth
        shapes = {role: (len(items), self.depth, width) for role, items in context.items.items()}
        # Pages that are never written cost no memory, so a part of a data set takes only its share.
        self.features: dict[Role, Features] = {role: np.empty(shape, np.float32) for role, shape in shapes.items()}
        self.seen = {role: np.zeros(shape[0], dtype=bool) for role, shape in shapes.items()}
        self.layers: dict[Role, list[torch.Tensor]] = {role: [] for role in shapes}

    def add(self, layer: int, batch: Batch) -> None:
        """Take the (B, width) features of one layer in; layers come in order, from 1."""
        layers = self.layers[batch.role]
        layers.append(batch.values.float().clone())
        if layer == self.depth:  # one transfer a batch, not one a layer
            index = [row.index for row in batch.rows]
            self.features[batch.role][index] = torch.stack(layers, dim=1).cpu().numpy()
            self.seen[batch.role][index] = True
            layers.clear()

    def state(self) -> State:
        """``<role>/index`` (n,), ascending, and ``<role>/features`` (n, depth, width)."""
        state: State = {}
        for role, seen in self.seen.items():
            state[f"{role}/index"] = np.flatnonzero(seen)
            state[f"{role}/features"] = self.features[role] if seen.all() else self.features[role][seen]
        return state


def merge_features(first: State, second: State) -> State:
    """Two collectors' states as one, in the order of the items."""
    merged: State = {}
    for role in [name.removesuffix("/index") for name in first if name.endswith("/index")]:
        index, features = (
            np.concatenate([np.asarray(state[f"{role}/{what}"]) for state in (first, second)])
            for what in ("index", "features")
        )
        order = np.argsort(index, kind="stable")
        merged[f"{role}/index"], merged[f"{role}/features"] = index[order], features[order]
    return merged


def collected(state: State, role: Role) -> tuple[NDArray[np.int64], Features]:
    """Indices (n,) and features (n, depth, width) of a role."""
    return np.asarray(state[f"{role}/index"]), np.asarray(state[f"{role}/features"])
