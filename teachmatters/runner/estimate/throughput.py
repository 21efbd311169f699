"""How many inputs a second go through a model here, found out with a few real batches."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from teachmatters.api import Analysis, Batch, Context, InputSpec, ModelAdapter, Parameters, State, Tap
from teachmatters.runner.features.extractor import FeatureWriter
from teachmatters.runner.forward.device import full_precision, out_of_memory
from teachmatters.runner.forward.forward_pass import Pass, PassResult
from teachmatters.runner.forward.schedule import PassMember, build_schedule
from teachmatters.runner.forward.settings import PassSettings

BATCHES = 9
SECONDS = 3.0
"""So long after the first batch, which is slower and does not count, no further one is begun."""
ON_CPU = 16
"""Inputs of a batch on a CPU, where larger ones are no faster but take long."""


class ThroughputProbe(Analysis):
    """Sees what a harvester would, and keeps nothing."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec()

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None: ...

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}


class _EnoughError(Exception):
    """The time is over."""


def throughput(settings: PassSettings, adapter: ModelAdapter, members: Sequence[PassMember]) -> float:
    """Inputs a second of a pass of these analyses, images read and prepared on the way. Nothing is kept.

    Raises:
        TeachMattersError: a forward pass fails.
    """
    members = [_probe_in_place(member) for member in members]
    size = settings.batch_size_for(adapter.info, members)
    size = min(size, ON_CPU) if settings.device.type == "cpu" else size
    one = Pass(adapter, settings.device, settings.dtype, members, build_schedule(members)[: BATCHES * size])
    clock = _Clock(one.result)
    try:
        with out_of_memory(), full_precision():
            one.run(members[0].input_spec.transform, size, clock.advance)
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
        if self.result.forwards > self.marks[-1][0]:  # the last batch, after the last image
            self.marks.append((self.result.forwards, time.perf_counter()))
        (before, begun), (inputs, ended) = self.marks[min(1, len(self.marks) - 2)], self.marks[-1]
        return max(inputs - before, 1) / max(ended - begun, 1e-9)


def _probe_in_place(member: PassMember) -> PassMember:
    return (
        dataclasses.replace(member, analysis=ThroughputProbe())
        if isinstance(member.analysis, FeatureWriter)
        else member
    )
