"""The knn analysis: the vectors of queries against those of a gallery, at every layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from teachmatters.analyses.feature_buffer import FeatureAnalysis
from teachmatters.analyses.scores import mean_record, unit_map
from teachmatters.api import Crop, InputSpec, Parameters, Readout, Result, Role, State
from teachmatters.errors import TeachMattersError, listing
from teachmatters.measures.tasks.knn import chance, nearest, rank_of_truth

HEADLINE_K = 20


class KnnAnalysis(FeatureAnalysis):
    """An analysis of the collected vectors of both roles by a vote of neighbours."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(
            collect=frozenset({Readout.of(parameters)}),
            roles=("queries", "gallery"),
            transform=Crop.of(parameters),
        )

    def compute(self, state: State) -> Result:
        query_index, gallery_index = (self.context.features.index(role) for role in ("queries", "gallery"))
        ks, left_out = self._neighbours(len(gallery_index), len(query_index))
        truth, labels = self._labels("queries", query_index), self._labels("gallery", gallery_index)
        names = tuple(self.context.items["queries"][i].key for i in query_index)
        result = Result(notes={"k larger than the gallery, left out": left_out} if left_out else {})
        for layer in range(1, self.context.model.depth + 1):
            ranks = self._ranks(layer, truth, labels, ks)
            for top in (1, 5):
                if (metric := f"knn-top{top}-chance") in self.context.metrics:
                    result.records.append(mean_record(metric, layer, 100 * chance(truth, labels, top).cpu().numpy()))
                if f"knn-top{top}" in self.context.metrics:
                    right = {k: (rank < top).cpu().numpy() for k, rank in ranks.items()}
                    self._record(result, f"knn-top{top}", layer, right, names)
        return result

    def _neighbours(self, gallery: int, queries: int) -> tuple[list[int], list[int]]:
        wanted: tuple[int, ...] = self.context.parameters["k"]
        ks = sorted({k for k in wanted if k <= gallery})
        if not ks or not queries:
            raise TeachMattersError(
                f"k-NN needs at least one query and k <= the gallery: there are {queries} queries, {gallery} gallery "
                f"images and k = {listing(map(str, wanted))}; give more images or a smaller k (--param k=1)"
            )
        return ks, sorted(set(wanted) - set(ks))

    def _labels(self, role: Role, index: NDArray[np.int64]) -> torch.Tensor:
        items = self.context.items[role]
        return torch.tensor([items[i].label for i in index], dtype=torch.int64, device=self.context.device)

    def _ranks(
        self, layer: int, truth: torch.Tensor, labels: torch.Tensor, ks: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        similarity, index = nearest(self.queries(layer), self.gallery(layer), ks[-1])
        temperature, classes = self.context.parameters["temperature"], len(self.context.dataset.classes)
        return rank_of_truth(similarity, labels[index], truth, classes, ks, temperature)

    def _record(
        self, result: Result, metric: str, layer: int, right: dict[int, NDArray[np.bool_]], names: tuple[str, ...]
    ) -> None:
        headline = min(right, key=lambda k: (abs(k - HEADLINE_K), k))  # 20, or the nearest k that there is
        for category, k in [("", headline), *((f"k={k}", k) for k in right)]:
            result.records.append(mean_record(metric, layer, right[k] * np.uint8(100), category=category))
        result.maps.append(unit_map(metric, layer, right[headline] * np.uint8(100), names))
