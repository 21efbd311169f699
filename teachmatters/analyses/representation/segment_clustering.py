"""The segment-clustering analysis: clusters of objects and of parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teachmatters.analyses.representation.cluster_scores import record_clusters
from teachmatters.analyses.representation.segments import PLACES, Features, Segments, merge_segments
from teachmatters.api import Analysis, Batch, Context, Crop, Dense, InputSpec, Parameters, Readout, Result, State, Tap
from teachmatters.errors import TeachMattersError


class SegmentClusteringAnalysis(Analysis):
    """An analysis that clusters one vector for each object or part."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        dense, crop = parameters["resolution"] == "dense", Crop.of(parameters)
        if dense and crop != Crop():
            raise TeachMattersError("short_side with resolution=dense, which crops nothing: leave out one of them")
        taps = frozenset({Readout.of(parameters, "tokens")})
        return InputSpec(taps=taps, transform=Dense() if dense else crop)

    def start(self, context: Context) -> None:
        self.context = context
        self.segments = [
            Segments(context, of) for of in PLACES if any(name.endswith(f"-{of}") for name in context.metrics)
        ]

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        tokens = batch.values[:, self.context.model.prefix :]
        for each in self.segments:
            each.add(layer, batch.rows, tokens)

    def state(self) -> State:
        return {name: value for each in self.segments for name, value in each.state().items()}

    def merge(self, states: Sequence[State]) -> State:
        return merge_segments(states)

    def compute(self, state: State) -> Result:
        result = Result()
        for of in (each.of for each in self.segments):
            which, vanished = np.asarray(state[f"{of}/which"]), state[f"{of}/vanished"]
            if vanished:
                result.notes[f"{of}s that vanish on the grid, left out"] = vanished
            if not len(which):
                raise TeachMattersError(f"no {of} is left on the grid in any image; use more images, or other data")

            def features(layer: int, of: str = of) -> Features:
                return np.asarray(state[f"{of}/{layer}"])

            record_clusters(result, self.context, of, which[:, 2], features)
        return result
