"""Times a few real batches to find the inputs per second of a model on this machine."""

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
# No batch starts later than this after the first one, which is slower and does not count.
SECONDS = 3.0
# Largest batch on a CPU, where larger ones take longer without being faster.
ON_CPU = 16


class ThroughputProbe(Analysis):
    """A stand-in for a FeatureWriter that keeps nothing."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec()

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None: ...

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}


class _EnoughError(Exception):
    """Enough batches were timed."""


def throughput(settings: PassSettings, adapter: ModelAdapter, members: Sequence[PassMember]) -> float:
    """Return the inputs per second of a pass of these members, including reading the images. Nothing is kept.

    Raises:
        TeachMattersError: a forward pass failed.
    """
    members = [_without_writer(member) for member in members]
    size = settings.batch_size_for(adapter.info, members)
    size = min(size, ON_CPU) if settings.device.type == "cpu" else size
    trial = Pass(adapter, settings.device, settings.dtype, members, build_schedule(members)[: BATCHES * size])
    clock = _Clock(trial.result)
    try:
        with out_of_memory(), full_precision():
            trial.run(members[0].input_spec.transform, size, clock.advance)
    except _EnoughError:
        pass
    return clock.rate()


class _Clock:
    """A clock that records the time after each batch, and ends the trial when enough batches were timed."""

    def __init__(self, result: PassResult) -> None:
        self.result = result
        self.marks = [(0, time.perf_counter())]

    def advance(self, _: int) -> None:
        if self.result.forwards > self.marks[-1][0]:
            self.marks.append((self.result.forwards, time.perf_counter()))
            if len(self.marks) > 2 and self.marks[-1][1] - self.marks[1][1] > SECONDS:
                raise _EnoughError

    def rate(self) -> float:
        """Return the inputs per second, without the first batch if there are more."""
        if self.result.forwards > self.marks[-1][0]:  # the last batch, after the last image
            self.marks.append((self.result.forwards, time.perf_counter()))
        (before, start), (inputs, end) = self.marks[min(1, len(self.marks) - 2)], self.marks[-1]
        return max(inputs - before, 1) / max(end - start, 1e-9)


def _without_writer(member: PassMember) -> PassMember:
    return (
        dataclasses.replace(member, analysis=ThroughputProbe())
        if isinstance(member.analysis, FeatureWriter)
        else member
    )
