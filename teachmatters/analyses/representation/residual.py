"""The residual analysis: the skip connections, and what the branches add to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from teachmatters.analyses.feature_buffer import FeatureBuffer, merge_features
from teachmatters.analyses.pairs import record_pairs
from teachmatters.analyses.representation.gram_matrices import GramBuffer, MatchedGrams, merge_grams
from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Parameters, Record, Result, State, Tap
from teachmatters.measures.representation.cka import cka
from teachmatters.measures.representation.residual import squared_norms

BLOCKS: dict[str, tuple[Tap, Tap]] = {"attn": ("attn_skip", "attn_branch"), "mlp": ("mlp_skip", "mlp_branch")}
TOKENS = ("all", "cls", "spatial")


class ResidualAnalysis(Analysis):
    """An analysis with Gram matrices of skips and branches, and the ratios of their norms for every image."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        taps = [tap for block, both in BLOCKS.items() if any(f"-{block}" in name for name in metrics) for tap in both]
        aligned = any(name.startswith("residual-cka-") for name in metrics)
        group = parameters["cka_batch"] if aligned else None
        return InputSpec(taps=frozenset(taps), group=group, transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context, metrics = context, context.metrics
        self.aligned = {tap for block, both in BLOCKS.items() if f"residual-cka-{block}" in metrics for tap in both}
        self.grams = GramBuffer(context, self.aligned)
        self.names = [
            name for block in BLOCKS for tokens in TOKENS if (name := f"residual-norm-{block}-{tokens}") in metrics
        ]
        self.ratios = FeatureBuffer(context, len(self.names))
        self.norms: dict[Tap, dict[str, torch.Tensor]] = {}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if tap in self.aligned:
            self.grams.add(layer, tap, batch)
        if not self.names:
            return
        info = self.context.model
        self.norms[tap] = squared_norms(batch.values, info.prefix, info.class_token)
        if tap == f"{self.names[-1].split('-')[2]}_branch":  # the last tap of the layer
            columns = torch.stack([self._ratio(name) for name in self.names], dim=1)
            self.ratios.add(layer, Batch(columns, batch.rows, batch.role))
            self.norms = {}

    def _ratio(self, name: str) -> torch.Tensor:
        """Return the ratios (B,) of the current layer; infinite or NaN where the branch is 0."""
        _, _, block, tokens = name.split("-")
        skip, branch = BLOCKS[block]
        return (self.norms[skip][tokens] / self.norms[branch][tokens]).sqrt()

    def end_group(self) -> None:
        self.grams.end_group()

    def state(self) -> State:
        return self.grams.state() | self.ratios.state()

    def merge(self, states: Sequence[State]) -> State:
        return merge_grams(states) | merge_features(states)

    def compute(self, state: State) -> Result:
        result = Result()
        for layer in range(1, self.context.model.depth + 1):
            self._norms(result, layer, np.asarray(state[f"all/{layer}"], dtype=np.float64))
        matched = MatchedGrams(state, state) if self.aligned else None
        for block, both in BLOCKS.items():
            triangles = matched.triangles(*both) if matched and both[0] in self.aligned else None
            if matched and triangles:
                record_pairs(result, f"residual-cka-{block}", cka(*triangles), matched.count)
        return result

    def _norms(self, result: Result, layer: int, ratios: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
        for name, column in zip(self.names, ratios.T, strict=True):
            values = column[np.isfinite(column)]
            if len(values) < len(column):
                note = result.notes.setdefault("images whose branch is 0, left out", {})
                note[f"{name}, layer {layer}"] = len(column) - len(values)
            if len(values):
                std = float(values.std(ddof=1)) if len(values) > 1 else None
                result.records.append(
                    Record(metric=name, layer=layer, value=float(values.mean()), std=std, n=len(values))
                )
