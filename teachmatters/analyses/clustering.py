"""The clustering analysis: whether pictures of one class lie together, by class token and by mean spatial token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teachmatters.analyses.cluster_scores import record_clusters
from teachmatters.analyses.collect import Collector, Features, merge_features
from teachmatters.api import Analysis, Batch, Context, Feed, Parameters, Result, State, Tap

TAPS: dict[str, Tap] = {"cls": "cls", "spatial": "mean"}
"""By the last word of the metrics' names."""


class ClusteringAnalysis(Analysis):
    """Collects the vectors of every picture, and divides them into clusters at the end."""

    def feed(self, parameters: Parameters, metrics: frozenset[str]) -> Feed:
        return Feed(taps=frozenset(TAPS[of] for of in _asked(metrics)))

    def start(self, context: Context) -> None:
        self.context = context
        self.collectors = {TAPS[of]: Collector(context, context.model.width) for of in _asked(context.metrics)}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        self.collectors[tap].add(layer, batch)

    def state(self) -> State:
        return {
            f"{tap}/{name}": value
            for tap, collector in self.collectors.items()
            for name, value in collector.state().items()
        }

    def merge(self, states: Sequence[State]) -> State:
        return merge_features(states)

    def compute(self, state: State) -> Result:
        result, items = Result(), self.context.items["all"]
        for of in _asked(self.context.metrics):
            prefix = f"{TAPS[of]}/all"
            labels = np.array([items[i].label for i in np.asarray(state[f"{prefix}/index"])], dtype=np.int64)

            def features(layer: int, prefix: str = prefix) -> Features:
                return np.asarray(state[f"{prefix}/{layer}"])

            record_clusters(result, self.context, of, labels, features)
        return result


def _asked(metrics: frozenset[str]) -> list[str]:
    return [of for of in TAPS if any(name.endswith(f"-{of}") for name in metrics)]
