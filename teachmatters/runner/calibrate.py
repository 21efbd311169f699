"""How many inputs a second go through a model here, found out with a few real batches."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from teachmatters.api import Analysis, Batch, Context, Feed, ModelAdapter, Parameters, State, Tap
from teachmatters.runner.device import full_precision, out_of_memory
from teachmatters.runner.engine import Pass, PassResult
from teachmatters.runner.harvest import Harvester
from teachmatters.runner.measure import Bench
from teachmatters.runner.seats import Feeding, seating

BATCHES = 9
SECONDS = 3.0
"""So long after the first batch, which is slower and does not count, no further one is begun."""
ON_CPU = 16
"""Inputs of a batch on a CPU, where larger ones are no faster but take long."""


class Onlooker(Analysis):
    """Sees what a harvester would, and keeps nothing."""

    def feed(self, parameters: Parameters, metrics: frozenset[str]) -> Feed:
        return Feed()

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None: ...

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}


class _EnoughError(Exception):
    """The time is over."""


def throughput(bench: Bench, adapter: ModelAdapter, feedings: Sequence[Feeding]) -> float:
    """Inputs a second of a pass of these analyses, pictures read and prepared on the way. Nothing is kept.

    Raises:
        TeachMattersError: a forward pass fails.
    """
    feedings = [_harmless(feeding) for feeding in feedings]
    size = bench.inputs_at_once(adapter.info, feedings)
    size = min(size, ON_CPU) if bench.device.type == "cpu" else size
    one = Pass(adapter, bench.device, bench.dtype, feedings, seating(feedings)[: BATCHES * size])
    clock = _Clock(one.result)
    try:
        with out_of_memory(), full_precision():
            one.run(feedings[0].feed.preparation, size, clock.advance)
    except _EnoughError:
        pass
    return clock.rate()


class _Clock:
    """Notes when how many inputs were through the model, and says when it is enough."""

    def __init__(self, result: PassResult) -> None:
        self.result = result
        self.marks = [(0, time.perf_counter())]

    def advance(self, _: int) -> None:
        if self.result.forwards > self.marks[-1][0]:
            self.marks.append((self.result.forwards, time.perf_counter()))
            if len(self.marks) > 2 and self.marks[-1][1] - self.marks[1][1] > SECONDS:
                raise _EnoughError

    def rate(self) -> float:
        """Inputs a second, the first batch left aside where there are more."""
        if self.result.forwards > self.marks[-1][0]:  # the last batch, after the last picture
            self.marks.append((self.result.forwards, time.perf_counter()))
        (before, begun), (inputs, ended) = self.marks[min(1, len(self.marks) - 2)], self.marks[-1]
        return max(inputs - before, 1) / max(ended - begun, 1e-9)


def _harmless(feeding: Feeding) -> Feeding:
    return dataclasses.replace(feeding, analysis=Onlooker()) if isinstance(feeding.analysis, Harvester) else feeding
