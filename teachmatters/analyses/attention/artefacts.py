"""The artefacts analysis: the norms of patch tokens, those that are unusually large, and the attention on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teachmatters.analyses.attention import patch_norms
from teachmatters.analyses.scores import Scores, merge_scores, record_headline
from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Parameters, Result, State, Tap
from teachmatters.measures.attention.artefacts import artefact_mass, artefacts
from teachmatters.measures.moments import accumulator

SHARE, MASS = "artefact-share", "artefact-mass"


class ArtefactsAnalysis(Analysis):
    """An analysis with a share and norms for each image and layer, and a mass for each image and layer but the last."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        taps = frozenset[Tap]({"block", "attention"} if MASS in metrics else {"block"})
        return InputSpec(taps=taps, transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context = context
        depth = context.model.depth
        self.scores = {SHARE: Scores(depth), MASS: Scores(depth - 1)}
        self.norms = patch_norms.PatchNorms(context)

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        index = [row.index for row in batch.rows]
        if tap == "block":
            tokens = batch.values[:, self.context.model.prefix :]
            self.where = artefacts(tokens, self.context.parameters["factor"])
            self.scores[SHARE].add(layer, self.where.to(accumulator(self.where.device)).mean(dim=1), index)
            if patch_norms.NAME in self.context.metrics:
                self.norms.add(layer, batch.values, index)
        elif (
            layer > 1
        ):  # A block's attention comes before its output, so these are the artefacts of the previous block.
            self.scores[MASS].add(layer - 1, artefact_mass(batch.values, self.where), index)

    def state(self) -> State:
        return {**self.scores[SHARE].state(SHARE), **self.scores[MASS].state(MASS), **self.norms.state()}

    def merge(self, states: Sequence[State]) -> State:
        return {
            **merge_scores(states, SHARE),
            **merge_scores(states, MASS),
            **patch_norms.merge_norms(states),
        }

    def compute(self, state: State) -> Result:
        result = Result()
        if MASS in self.context.metrics and self.context.model.depth == 1:
            result.notes[f"no {MASS}"] = "a model of one block has no next block"
        for metric in (SHARE, MASS):
            index, values = np.asarray(state[f"{metric}/index"]), np.asarray(state[f"{metric}/values"])
            units = tuple(self.context.items["all"][i].key for i in index)
            if metric in self.context.metrics and units:
                for layer, scores in enumerate(values.T, start=1):
                    record_headline(result, metric, layer, scores, units)
        if patch_norms.NAME in self.context.metrics:
            self.norms.record(result, state)
        return result
