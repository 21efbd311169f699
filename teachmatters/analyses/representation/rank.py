"""The rank analysis: the number of directions that the features of a layer use."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import numpy as np
import torch

from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Parameters, Readout, Record, Result, State, Tap
from teachmatters.measures.moments import ScatterMatrix
from teachmatters.measures.representation.rank import effective_rank

KINDS = ("cls", "spatial")


class RankAnalysis(Analysis):
    """An analysis with scatter matrices (width, width) of class tokens and of spatial tokens for each layer."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({Readout.of(parameters, "tokens")}), transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context = context
        self.kinds = [kind for kind in KINDS if f"effective-rank-{kind}" in context.metrics]
        self.totals: dict[tuple[str, int], ScatterMatrix] = {}
        self.images = 0

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        self.images += len(batch.rows) * (layer == 1)
        for kind in self.kinds:
            tokens = batch.values[:, :1] if kind == "cls" else batch.values[:, self.context.model.prefix :]
            scatter = ScatterMatrix.of(tokens.flatten(0, 1))
            before = self.totals.get((kind, layer))
            self.totals[kind, layer] = scatter if before is None else before + scatter

    def state(self) -> State:
        state: State = {"images": self.images}
        for (kind, layer), total in self.totals.items():
            state[f"{kind}/{layer}/count"] = total.count
            state[f"{kind}/{layer}/mean"] = total.mean.cpu().double().numpy()
            state[f"{kind}/{layer}/products"] = total.products.cpu().double().numpy()
        return state

    def merge(self, states: Sequence[State]) -> State:
        merged: State = {"images": sum(int(state["images"]) for state in states)}
        names = {name.removesuffix("/count") for state in states for name in state if name.endswith("/count")}
        for name in sorted(names):
            parts = [_scatter(state, name) for state in states if f"{name}/count" in state]
            total = functools.reduce(operator.add, parts)
            merged[f"{name}/count"] = total.count
            merged[f"{name}/mean"], merged[f"{name}/products"] = total.mean.numpy(), total.products.numpy()
        return merged

    def compute(self, state: State) -> Result:
        result, n = Result(), int(state["images"])
        for kind in self.kinds:
            metric, gone = f"effective-rank-{kind}", []
            for layer in range(1, self.context.model.depth + 1):
                rank = effective_rank(_scatter(state, f"{kind}/{layer}"))
                if rank is None:
                    gone.append(layer)
                else:
                    result.records.append(Record(metric=metric, layer=layer, value=rank, n=n))
            if gone:
                result.notes[f"{metric}: nothing varies"] = {"layers": gone}
        return result


def _scatter(state: State, name: str) -> ScatterMatrix:
    mean, products = np.asarray(state[f"{name}/mean"]), np.asarray(state[f"{name}/products"])
    return ScatterMatrix(int(state[f"{name}/count"]), torch.tensor(mean), torch.tensor(products))
