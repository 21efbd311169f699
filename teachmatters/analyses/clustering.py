"""The clustering analysis: whether pictures of one class lie together, by class token and by mean spatial token."""

from __future__ import annotations

from functools import partial

import numpy as np

from teachmatters.analyses.cluster_scores import record_clusters
from teachmatters.analyses.collect import OfFeatures
from teachmatters.api import Feed, Parameters, Result, State, Tap

TAPS: dict[str, Tap] = {"cls": "cls", "spatial": "mean"}
"""By the last word of the metrics' names."""


class ClusteringAnalysis(OfFeatures):
    """Has the vectors of every picture collected, and divides them into clusters at the end."""

    def feed(self, parameters: Parameters, metrics: frozenset[str]) -> Feed:
        return Feed(collect=frozenset(TAPS[of] for of in _asked(metrics)))

    def compute(self, state: State) -> Result:
        result, items, features = Result(), self.context.items["all"], self.context.features
        labels = np.array([items[i].label for i in features.index("all")], dtype=np.int64)
        for of in _asked(self.context.metrics):
            record_clusters(result, self.context, of, labels, partial(features.read, "all", TAPS[of]))
        return result


def _asked(metrics: frozenset[str]) -> list[str]:
    return [of for of in TAPS if any(name.endswith(f"-{of}") for name in metrics)]
