"""An analysis that collects features of all images and also takes part in the pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teachmatters.api import (
    Analysis,
    AnalysisSpec,
    Batch,
    Context,
    InputSpec,
    MetricSpec,
    Parameters,
    Readout,
    Record,
    Result,
    State,
    Tap,
)


class ToyCollected(Analysis):
    """The length of collected vectors beside that of those that came by."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"block"}), collect=frozenset({Readout("cls"), Readout("mean")}))

    def start(self, context: Context) -> None:
        self.context = context
        self.totals = np.zeros((context.model.depth, 2))

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        prefix = self.context.model.prefix
        for column, vectors in enumerate((batch.values[:, 0], batch.values[:, prefix:].mean(dim=1))):
            self.totals[layer - 1, column] += float(vectors.double().norm(dim=1).sum())

    def state(self) -> State:
        return {"totals": self.totals}

    def merge(self, states: Sequence[State]) -> State:
        return {"totals": np.sum([np.asarray(state["totals"]) for state in states], axis=0)}

    def compute(self, state: State) -> Result:
        index, result, totals = self.context.features.index("all"), Result(), np.asarray(state["totals"])
        for layer in range(1, self.context.model.depth + 1):
            for column, readout in enumerate((Readout("cls"), Readout("mean"))):
                vectors = self.context.features.read("all", readout, layer)
                value = float(np.linalg.norm(vectors.astype(np.float64), axis=1).mean())
                seen = totals[layer - 1, column] / len(index)
                for category, number in ((readout.feature, value), (f"{readout.feature} seen", seen)):
                    result.records.append(
                        Record(metric="toy-collected", layer=layer, category=category, value=number, n=len(index))
                    )
            result.records.append(Record(metric="toy-collected", layer=layer, value=0.0))
        return result


TOY_COLLECTED = AnalysisSpec(
    name="toy-collected",
    summary="for tests",
    metrics=(
        MetricSpec(name="toy-collected", title="length", summary="for tests", level="category", needs_class_token=True),
    ),
    factory="tests.toy_collect:ToyCollected",
    default_data="toys",
)
