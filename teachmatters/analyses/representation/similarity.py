"""The similarity analysis: two models' image vectors, every layer against every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.analyses.feature_buffer import FeatureBuffer, merge_features
from teachmatters.analyses.pairs import record_pairs
from teachmatters.api import (
    Analysis,
    Batch,
    Context,
    Crop,
    InputSpec,
    Item,
    Parameters,
    Readout,
    Result,
    Role,
    State,
    Tap,
)
from teachmatters.errors import TeachMattersError
from teachmatters.measures.representation.similarity import centred_unit, procrustes, rsa, similarity_ranks

LEAST = 4


class SimilarityAnalysis(Analysis):
    """An analysis with the vectors of one model; two states give every pair of layers."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({Readout.of(parameters)}), transform=Crop.of(parameters))

    def select(self, items: Mapping[Role, Sequence[Item]], parameters: Parameters) -> Mapping[Role, Sequence[Item]]:
        """Keep the first ``images``."""
        return {role: members[: parameters["images"]] for role, members in items.items()}

    def start(self, context: Context) -> None:
        self.context = context
        self.vectors = FeatureBuffer(context, Readout.of(context.parameters).width(context.model))

    def update(self, layer: int, tap: Tap | Readout, batch: Batch) -> None:
        self.vectors.add(layer, batch)

    def state(self) -> State:
        return self.vectors.state()

    def merge(self, states: Sequence[State]) -> State:
        return merge_features(states)

    def compare(self, state: State, other: State) -> Result:
        common = np.intersect1d(np.asarray(state["all/index"]), np.asarray(other["all/index"]))
        if len(common) < LEAST:
            raise TeachMattersError(
                f"similarity needs at least {LEAST} images that both models have, and there are {len(common)}; give "
                "more (a larger --limit)"
            )
        result, same = Result(), other is state
        measures = {"procrustes": (centred_unit, procrustes), "rsa": (similarity_ranks, rsa)}
        for metric, (prepare, measure) in measures.items():
            if metric in self.context.metrics:
                first = self._layers(state, common, prepare)
                second = first if same else self._layers(other, common, prepare)
                record_pairs(result, metric, _matrix(first, second, measure), len(common))
        return result

    def _layers(
        self,
        state: State,
        common: NDArray[np.int64],
        prepare: Callable[[Tensor], Tensor | None],
    ) -> list[Tensor | None]:
        """Return each layer's vectors of the common images, prepared for the measure."""
        rows, layers, layer = np.searchsorted(np.asarray(state["all/index"]), common), [], 1
        while f"all/{layer}" in state:
            vectors = torch.from_numpy(np.asarray(state[f"all/{layer}"], dtype=np.float32)[rows])
            layers.append(prepare(vectors.to(self.context.device)))
            layer += 1
        return layers


def _matrix(
    first: Sequence[Tensor | None], second: Sequence[Tensor | None], measure: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the measure of every pair (L1, L2), at most 1; NaN where the vectors of one do not vary."""
    values = torch.full((len(first), len(second)), torch.nan, dtype=torch.float64)
    for row, one in enumerate(first):
        for column, two in enumerate(second):
            if first is second and column < row:
                values[row, column] = values[column, row]
            elif one is not None and two is not None:
                values[row, column] = measure(one, two)
    return values.clamp(-1, 1)
