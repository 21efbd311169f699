"""The attention analysis: every head of every layer, reduced the moment its map exists."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import numpy as np
import torch

from teachmatters.api import Analysis, Batch, Context, Feed, Parameters, Record, Result, State, Tap
from teachmatters.measures.attention import attention_distance, patch_distances
from teachmatters.measures.moments import Moments, accumulator


class AttentionAnalysis(Analysis):
    """Totals of (depth, heads + 1): the last column is the mean over heads, whose deviation is over images too."""

    def feed(self, parameters: Parameters, metrics: frozenset[str]) -> Feed:
        return Feed(taps=frozenset({"attention"}))

    def start(self, context: Context) -> None:
        self.depth, self.heads = context.model.depth, context.model.heads
        self.distances = patch_distances(context.model.grid).to(context.device, torch.float32)
        self.totals: dict[int, Moments] = {}
        self.empty = torch.zeros((), dtype=torch.int64, device=context.device)

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        distance, empty = attention_distance(batch.values, self.distances)
        distance = distance.to(accumulator(distance.device))
        moments = Moments.of(torch.cat([distance, distance.mean(dim=1, keepdim=True)], dim=1))
        self.totals[layer] = self.totals[layer] + moments if layer in self.totals else moments
        self.empty += empty

    def state(self) -> State:
        if not self.totals:
            return {"count": 0, "empty": 0, "mean": self._none(), "m2": self._none()}
        layers = [self.totals[layer] for layer in range(1, self.depth + 1)]
        return {
            "count": layers[0].count,
            "empty": int(self.empty),
            "mean": torch.stack([total.mean for total in layers]).cpu().double().numpy(),
            "m2": torch.stack([total.m2 for total in layers]).cpu().double().numpy(),
        }

    def _none(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.zeros((self.depth, self.heads + 1))

    def merge(self, states: Sequence[State]) -> State:
        parts = [state for state in states if state["count"]]
        if not parts:
            return states[0]
        joined = functools.reduce(operator.add, map(_moments, parts))
        empty = sum(int(state["empty"]) for state in parts)
        return {"count": joined.count, "empty": empty, "mean": joined.mean.numpy(), "m2": joined.m2.numpy()}

    def compute(self, state: State) -> Result:
        moments = _moments(state)
        mean, std = moments.mean.tolist(), moments.std()
        deviation = std.tolist() if std is not None else None
        heads = len(mean[0]) - 1
        records = [
            Record(
                metric="attn-distance",
                layer=layer + 1,
                head=(head + 1) % (heads + 1),  # the last column, the mean over heads, is head 0: the layer's own
                value=mean[layer][head],
                std=deviation[layer][head] if deviation else None,
                n=moments.count,
            )
            for layer in range(len(mean))
            for head in range(heads + 1)
        ]
        notes = {"attention rows without mass": state["empty"]} if state["empty"] else {}
        return Result(records=records, notes=notes)


def _moments(state: State) -> Moments:
    mean, m2 = torch.as_tensor(state["mean"]), torch.as_tensor(state["m2"])
    return Moments(int(state["count"]), mean, m2)
