"""The cka analysis: the similarity of the layers of two models on the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from teachmatters.analyses.feature_buffer import FeatureBuffer, merge_features
from teachmatters.analyses.pairs import record_pairs
from teachmatters.analyses.representation.gram_matrices import GramBuffer, MatchedGrams, merge_grams
from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Parameters, Readout, Result, State, Tap
from teachmatters.measures.representation.cka import cka, cka_null
from teachmatters.measures.representation.mknn import mutual, mutual_null, neighbours

KINDS = {"cka": "all", "cka-cls": "cls", "cka-spatial": "spatial"}
GRAMS = frozenset({*KINDS, "cka-null", "cka-norm"})
NEIGHBOURS = 10
PERMUTATIONS = 100
PERCENTILE = 0.95


class CkaAnalysis(Analysis):
    """An analysis with the Gram matrices and class tokens of one model; two states give every pair of layers."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        taps: set[Tap | Readout] = set()
        if metrics & GRAMS - {"cka-norm"}:
            taps.add("block")
        if "cka-norm" in metrics:
            taps |= {"norm1", "norm2"}
        if metrics & {"mknn", "mknn-null"}:
            taps.add(Readout("cls"))
        group = parameters["cka_batch"] if metrics & GRAMS else None
        return InputSpec(taps=frozenset(taps), group=group, transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context = context
        metrics, info = context.metrics, context.model
        kinds = {KINDS[name] for name in metrics if name in KINDS} | {"all" for name in metrics if name == "cka-null"}
        kinds |= {"norm1", "norm2"} if "cka-norm" in metrics else set()
        self.grams = GramBuffer(context, kinds)
        self.tokens = FeatureBuffer(context, info.width) if metrics & {"mknn", "mknn-null"} else None

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if batch.readout is None:
            self.grams.add(layer, tap, batch)
        elif self.tokens is not None:
            self.tokens.add(layer, batch)

    def end_group(self) -> None:
        self.grams.end_group()

    def state(self) -> State:
        return self.grams.state() | (self.tokens.state() if self.tokens is not None else {})

    def merge(self, states: Sequence[State]) -> State:
        return merge_grams(states) | merge_features(states)

    def compare(self, state: State, other: State) -> Result:
        result = Result()
        if self.context.metrics & GRAMS:
            self._alignments(result, MatchedGrams(state, other))
        if self.context.metrics & {"mknn", "mknn-null"} and "all/index" in other:
            self._neighbours(result, state, other)
        return result

    # --- CKA

    def _alignments(self, result: Result, matched: MatchedGrams) -> None:
        if matched.left_out:
            result.notes["mini-batches with different images for the two models, left out"] = matched.left_out
        for metric, kind in KINDS.items():
            both = matched.triangles(kind) if metric in self.context.metrics else None
            if both is not None:
                record_pairs(result, metric, cka(*both), matched.count)
        if "cka-norm" in self.context.metrics:
            self._norms(result, matched)
        both = matched.triangles("all") if "cka-null" in self.context.metrics else None
        if both is not None:
            _record_null(result, "cka-null", cka_null(*both, matched.present, PERMUTATIONS, self.context.seed))

    def _norms(self, result: Result, matched: MatchedGrams) -> None:
        for one in (1, 2):
            for two in (1, 2):
                both = matched.triangles(f"norm{one}", f"norm{two}")
                if both is not None:
                    record_pairs(result, "cka-norm", cka(*both), matched.count, category=f"{one}-{two}")

    # --- neighbours

    def _neighbours(self, result: Result, state: State, other: State) -> None:
        common = np.intersect1d(np.asarray(state["all/index"]), np.asarray(other["all/index"]))
        if len(common) <= NEIGHBOURS:
            result.notes["mknn"] = f"needs more than {NEIGHBOURS} images, and there are {len(common)}"
            return
        first = self._lists(state, common)
        second = first if other is state else self._lists(other, common)
        if "mknn" in self.context.metrics:
            shares = mutual(first, second)
            record_pairs(result, "mknn", shares.mean(dim=-1), len(common), std=shares.std(dim=-1))
        if "mknn-null" in self.context.metrics:
            _record_null(result, "mknn-null", mutual_null(first, second, PERMUTATIONS, self.context.seed))

    def _lists(self, state: State, common: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        """Return the neighbours (layers, N, k) among the images that both models have."""
        rows = np.searchsorted(np.asarray(state["all/index"]), common)
        lists = []
        layer = 1
        while f"all/{layer}" in state:
            features = torch.from_numpy(np.asarray(state[f"all/{layer}"], dtype=np.float32)[rows])
            lists.append(neighbours(features.to(self.context.device), NEIGHBOURS).cpu())
            layer += 1
        return torch.stack(lists)


def _record_null(result: Result, metric: str, drawn: Tensor) -> None:
    """Record the 95th percentile of permutations, and their deviation."""
    record_pairs(result, metric, drawn.quantile(PERCENTILE, dim=0), len(drawn), std=drawn.std(dim=0))
