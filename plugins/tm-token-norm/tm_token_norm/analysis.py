"""Measure the mean norm of the tokens of each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from teachmatters.api import Analysis, Batch, Context, InputSpec, Parameters, Record, Result, State, Tap
from teachmatters.measures.moments import Moments


# --8<-- [start:analysis]
class TokenNorm(Analysis):
    """Moments of the images' mean norms, layer by layer."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"block"}))

    def start(self, context: Context) -> None:
        self.prefix, self.depth = context.model.prefix, context.model.depth
        self.totals: dict[int, Moments] = {}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        norms = batch.values[:, self.prefix :].float().norm(dim=-1).mean(dim=1)
        moments = Moments.of(norms)
        self.totals[layer] = self.totals[layer] + moments if layer in self.totals else moments

    def state(self) -> State:
        if not self.totals:
            return {"count": 0, "mean": np.zeros(self.depth), "m2": np.zeros(self.depth)}
        layers = [self.totals[layer] for layer in range(1, self.depth + 1)]
        return {
            "count": int(layers[0].count),
            "mean": np.array([float(layer.mean) for layer in layers]),
            "m2": np.array([float(layer.m2) for layer in layers]),
        }

    def merge(self, states: Sequence[State]) -> State:
        parts = [_moments(state) for state in states if state["count"]]
        if not parts:
            return states[0]
        joined = sum(parts[1:], parts[0])
        return {"count": int(joined.count), "mean": joined.mean.numpy(), "m2": joined.m2.numpy()}

    def compute(self, state: State) -> Result:
        moments = _moments(state)
        std = moments.std()
        return Result(
            records=[
                Record(
                    metric="token-norm",
                    layer=layer + 1,
                    value=float(mean),
                    std=None if std is None else float(std[layer]),
                    n=int(moments.count),
                )
                for layer, mean in enumerate(moments.mean)
            ]
        )


def _moments(state: State) -> Moments:
    return Moments(int(state["count"]), torch.as_tensor(state["mean"]), torch.as_tensor(state["m2"]))


# --8<-- [end:analysis]
