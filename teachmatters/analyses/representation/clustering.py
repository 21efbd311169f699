"""The clustering analysis: clusters of images by class token and by mean spatial token."""

from __future__ import annotations

from functools import partial

import numpy as np

from teachmatters.analyses.feature_buffer import FeatureAnalysis
from teachmatters.analyses.representation.cluster_scores import record_clusters
from teachmatters.api import Crop, Feature, InputSpec, Parameters, Readout, Result, State

# The features, by the last word of the metrics' names.
FEATURES: dict[str, Feature] = {"cls": "cls", "spatial": "mean"}


class ClusteringAnalysis(FeatureAnalysis):
    """An analysis that clusters the collected vectors of all images."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        readouts = frozenset(Readout.of(parameters, FEATURES[of]) for of in _asked(metrics))
        return InputSpec(collect=readouts, transform=Crop.of(parameters))

    def compute(self, state: State) -> Result:
        result, items, features = Result(), self.context.items["all"], self.context.features
        labels = np.array([items[i].label for i in features.index("all")], dtype=np.int64)
        for of in _asked(self.context.metrics):
            readout = Readout.of(self.context.parameters, FEATURES[of])
            record_clusters(result, self.context, of, labels, partial(features.read, "all", readout))
        return result


def _asked(metrics: frozenset[str]) -> list[str]:
    return [of for of in FEATURES if any(name.endswith(f"-{of}") for name in metrics)]
