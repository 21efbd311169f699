"""The position analysis: how well a linear map reads the position of a patch from its token."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import normalize

from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Parameters, Readout, Record, Result, State, Tap
from teachmatters.errors import TeachMattersError
from teachmatters.measures.moments import ScatterMatrix, accumulator
from teachmatters.measures.representation.position import grid_positions, position_r2
from teachmatters.measures.ridge import RidgeSums

PARTS = ("even", "odd")


class PositionAnalysis(Analysis):
    """An analysis with sums over the images of even index, to fit, and of odd index, to test, for each layer."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({Readout.of(parameters, "tokens")}), transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context = context
        self.sums: dict[tuple[str, int], RidgeSums] = {}
        self.images = dict.fromkeys(PARTS, 0)

    def update(self, layer: int, tap: Tap | Readout, batch: Batch) -> None:
        for odd, part in enumerate(PARTS):
            mine = [place for place, row in enumerate(batch.rows) if row.index % 2 == odd]
            if not mine:
                continue
            tokens = normalize(batch.values[mine, self.context.model.prefix :].float(), dim=-1)
            positions = grid_positions(batch.rows[0].grid).to(tokens.device, accumulator(tokens.device))
            sums = RidgeSums.of(tokens.flatten(0, 1), positions.repeat(len(mine), 1))
            before = self.sums.get((part, layer))
            self.sums[part, layer] = sums if before is None else before + sums
            self.images[part] += len(mine) * (layer == 1)

    def state(self) -> State:
        state: State = {f"{part}/images": count for part, count in self.images.items()}
        for (part, layer), sums in self.sums.items():
            state |= {f"{part}/{layer}/{name}": value for name, value in _saved(sums).items()}
        return state

    def merge(self, states: Sequence[State]) -> State:
        merged: State = {f"{part}/images": sum(int(state[f"{part}/images"]) for state in states) for part in PARTS}
        for name in sorted({n.removesuffix("/count") for state in states for n in state if n.endswith("/count")}):
            parts = [_loaded(state, name) for state in states if f"{name}/count" in state]
            total = functools.reduce(operator.add, parts)
            merged |= {f"{name}/{field}": value for field, value in _saved(total).items()}
        return merged

    def compute(self, state: State) -> Result:
        even, odd = (int(state[f"{part}/images"]) for part in PARTS)
        if not even or not odd:
            raise TeachMattersError(
                f"position needs images to fit and images to test: {even} of even and {odd} of odd index could be "
                "read; give at least two (a larger --limit)"
            )
        result = Result()
        for layer in range(1, self.context.model.depth + 1):
            value = position_r2(*(_loaded(state, f"{part}/{layer}") for part in PARTS))
            result.records.append(Record(metric="position-r2", layer=layer, value=value, n=odd))
        return result


def _saved(sums: RidgeSums) -> State:
    arrays = {
        "mean": sums.inputs.mean,
        "products": sums.inputs.products,
        "target_mean": sums.target_mean,
        "cross": sums.cross,
        "target_squares": sums.target_squares,
    }
    return {"count": sums.inputs.count, **{name: value.cpu().double().numpy() for name, value in arrays.items()}}


def _loaded(state: State, name: str) -> RidgeSums:
    mean, products, target_mean, cross, target_squares = (
        torch.tensor(np.asarray(state[f"{name}/{field}"]))
        for field in ("mean", "products", "target_mean", "cross", "target_squares")
    )
    return RidgeSums(ScatterMatrix(int(state[f"{name}/count"]), mean, products), target_mean, cross, target_squares)
