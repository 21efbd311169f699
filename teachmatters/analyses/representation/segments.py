"""One vector for each segment (object or part): the mean of its patches, weighted by their covered share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import Context, Kind, Mask, Readout, Row, State
from teachmatters.measures.moments import accumulator

Features = NDArray[np.float32]
Whole = NDArray[np.int64]

# The kind and name of the masks in a row's annotations, by the last word of the metrics' names.
PLACES: dict[str, tuple[Kind, str]] = {"object": ("masks", "objects"), "part": ("parts", "parts")}


class Segments:
    """A buffer of the vectors of all segments of one kind. Segments that vanish on the grid are only counted.

    The vector of a segment in several windows is the sum over windows, each with its share of the weight.
    """

    def __init__(self, context: Context, of: str) -> None:
        self.of, self.depth = of, context.model.depth
        self.width = Readout.of(context.parameters, "tokens").width(context.model)
        self.device = context.device
        self.vanished = 0
        self.which: list[tuple[int, int, int]] = []
        self.blocks: list[Features] = []
        self.layers: list[Tensor] = []

    def add(self, layer: int, rows: Sequence[Row], tokens: Tensor) -> None:
        """Add the (B, patches, D) spatial tokens of one layer; layers come in order, from 1."""
        if layer == 1:
            self._weigh(rows, tokens.shape[1])
        if not self.here:
            return
        means = torch.bmm(self.weights, tokens.to(self.weights.dtype)).flatten(0, 1)
        self.layers.append(means.index_select(0, self.where).float())
        if layer == self.depth:  # one transfer per batch instead of one per layer
            self.blocks.append(torch.stack(self.layers).cpu().numpy())
            self.which += self.here
            self.layers.clear()

    def _weigh(self, rows: Sequence[Row], patches: int) -> None:
        """Find the segments in the batch, and the weights of its patches in each, once for all layers."""
        some = [self._of_row(row) for row in rows]
        self.here = [name for weighed in some for name in weighed]
        most = max(map(len, some))
        weights = np.zeros((len(rows), most, patches))
        for place, weighed in enumerate(some):
            weights[place, : len(weighed)] = np.stack(list(weighed.values())) if weighed else 0
        where = [place * most + number for place, weighed in enumerate(some) for number in range(len(weighed))]
        self.weights = torch.from_numpy(weights).to(accumulator(self.device)).to(self.device)
        self.where = torch.tensor(where, dtype=torch.int64, device=self.device)

    def _of_row(self, row: Row) -> dict[tuple[int, int, int], NDArray[np.float64]]:
        """Return the weights of the window's patches by (item, segment, label); over the whole grid they sum to 1."""
        kind, name = PLACES[self.of]
        masks: Sequence[Mask] = row.annotations[kind][name]
        weighed = {}
        for number, mask in enumerate(masks):
            filled = mask.pixels.astype(np.float64).ravel()
            if not filled.any():
                self.vanished += row.window == 0
                continue
            mine = filled if row.patches is None else np.where(row.patches < 0, 0, filled[row.patches])
            if mine.any():
                weighed[row.index, number, mask.label] = mine / filled.sum()
        return weighed

    def state(self) -> State:
        """Return ``<of>/which`` (n, 3): item, segment, label, ascending; ``<of>/<layer>`` (n, D); ``<of>/vanished``."""
        which = np.array(self.which, dtype=np.int64).reshape(-1, 3)
        none = np.empty((self.depth, 0, self.width), dtype=np.float32)
        layers = {n + 1: [none[n], *(block[n] for block in self.blocks)] for n in range(self.depth)}
        return {f"{self.of}/vanished": self.vanished, **_joined(self.of, which, layers)}


def merge_segments(states: Sequence[State]) -> State:
    """Merge the states of several parts."""
    merged: State = {}
    for of in [name.removesuffix("/which") for name in states[0] if name.endswith("/which")]:
        which = np.concatenate([np.asarray(state[f"{of}/which"]) for state in states])
        numbers = [
            int(end) for name in states[0] for kind, _, end in [name.partition("/")] if kind == of and end.isdigit()
        ]
        layers = {n: [np.asarray(state[f"{of}/{n}"]) for state in states] for n in numbers}
        merged[f"{of}/vanished"] = sum(int(state[f"{of}/vanished"]) for state in states)
        merged |= _joined(of, which, layers)
    return merged


def _joined(of: str, which: Whole, layers: dict[int, list[Features]]) -> State:
    """Return the segments in order; the vectors of a repeated segment are summed."""
    names, place = np.unique(which, axis=0, return_inverse=True)
    into = torch.from_numpy(place.reshape(-1))
    state: State = {f"{of}/which": names}
    for layer, parts in layers.items():
        values = torch.from_numpy(np.concatenate(parts))
        state[f"{of}/{layer}"] = values.new_zeros(len(names), values.shape[1]).index_add_(0, into, values).numpy()
    return state
