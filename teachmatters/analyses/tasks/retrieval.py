"""The retrieval analysis: the vectors of queries rank those of a gallery, at every layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.analyses.feature_buffer import FeatureAnalysis
from teachmatters.analyses.scores import mean_record, unit_map
from teachmatters.api import InputSpec, Parameters, Readout, Result, State, ThumbnailCrop
from teachmatters.errors import TeachMattersError
from teachmatters.measures.tasks.retrieval import average_precision, chance_precision, precision_at, ranking

KS = (1, 5, 10)
HEADLINE_K = 10
# By difficulty, the marks of positives and the marks of junk, which is removed from the ranking.
LEVELS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}


@dataclass(frozen=True, slots=True)
class _Level:
    """One difficulty: for its queries with a positive, bool (Q, G), their rows and their names."""

    name: str
    positive: Tensor
    junk: Tensor
    rows: Tensor
    names: tuple[str, ...]


class RetrievalAnalysis(FeatureAnalysis):
    """An analysis that ranks the collected vectors of the gallery for each query."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        transform = ThumbnailCrop(crop_to_box=parameters["crop_queries"])
        collect = frozenset({Readout.of(parameters)})
        return InputSpec(collect=collect, roles=("queries", "gallery"), transform=transform)

    def compute(self, state: State) -> Result:
        levels, result = self._levels(), Result()
        for layer in range(1, self.context.model.depth + 1):
            order = ranking(self.queries(layer), self.gallery(layer))
            for level in levels:
                self._score(result, layer, level, order[level.rows])
        whole = len(self.context.features.index("queries"))
        if without := {level.name: whole - len(level.names) for level in levels if len(level.names) < whole}:
            result.notes["queries without a positive"] = without
        if not result.records:
            raise TeachMattersError(
                f"none of {whole} queries has a positive image that could be read; check the ground truth and jpg/"
            )
        return result

    def _levels(self) -> list[_Level]:
        query_index, gallery_index = (self.context.features.index(role) for role in ("queries", "gallery"))
        items = [self.context.items["queries"][i] for i in query_index]
        # An image that could not be read is in no ranking, as neither positive nor junk.
        column = {int(index): place for place, index in enumerate(gallery_index)}
        known = [self.context.dataset.annotations(item, "retrieval") for item in items]
        marks = {name: torch.zeros(len(items), len(column), dtype=torch.bool) for name in ("easy", "hard", "junk")}
        for name, mark in marks.items():
            for row, facts in enumerate(known):
                mark[row, [column[index] for index in facts[name] if index in column]] = True
        return [self._level(name, marks, [item.key for item in items]) for name in LEVELS]

    def _level(self, name: str, marks: Mapping[str, Tensor], keys: Sequence[str]) -> _Level:
        ok, out = LEVELS[name]
        positive, junk = (torch.stack([marks[mark] for mark in which]).any(dim=0) for which in (ok, out))
        rows = positive.any(dim=1).nonzero()[:, 0]
        names = tuple(keys[int(row)] for row in rows)
        device = self.context.device
        return _Level(name, positive[rows].to(device), junk[rows].to(device), rows.to(device), names)

    def _score(self, result: Result, layer: int, level: _Level, order: Tensor) -> None:
        if not level.names:
            return
        for metric, category, scores in self._scores(level, order):
            percent = 100 * scores.cpu().double().numpy()
            result.records.append(mean_record(metric, layer, percent, category=category))
            if not category and not metric.endswith("-chance"):
                result.maps.append(unit_map(metric, layer, percent, level.names))

    def _scores(self, level: _Level, order: Tensor) -> Iterator[tuple[str, str, Tensor]]:
        """Yield metric, category and the scores of the queries."""
        if (metric := f"map-{level.name}") in self.context.metrics:
            yield metric, "", average_precision(order, level.positive, level.junk)
        if (metric := f"map-{level.name}-chance") in self.context.metrics:
            yield metric, "", chance_precision(level.positive, level.junk)
        if (metric := f"mp-{level.name}") in self.context.metrics:
            at = precision_at(order, level.positive, level.junk, KS)
            yield metric, "", at[HEADLINE_K]
            yield from ((metric, f"@{k}", at[k]) for k in KS)
