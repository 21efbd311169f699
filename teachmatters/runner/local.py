"""The engine that is always there: passes in this process."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teachmatters.api import ModelAdapter, ModelSource
from teachmatters.runner.device import full_precision, out_of_memory
from teachmatters.runner.engine import Pass
from teachmatters.runner.harvest import harvesting
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.network import Passed, Planned
from teachmatters.runner.record import Sitting
from teachmatters.runner.shares import scaled

if TYPE_CHECKING:
    from teachmatters.runner.measure import Bench


class Local:
    """See network.Engine."""

    def open(self, bench: Bench, model: LabelledModel, source: ModelSource) -> LocalNetwork:
        """See network.Engine."""
        return LocalNetwork(bench, bench.build(source))


class LocalNetwork:
    """See network.Network; a pass is made when it is asked for."""

    def __init__(self, bench: Bench, adapter: ModelAdapter) -> None:
        self.bench, self.adapter, self.info = bench, adapter, adapter.info

    def carry_out(self, passes: Sequence[Planned]) -> Generator[Passed]:
        """See network.Network."""
        for planned in passes:
            yield self._carried_out(planned)

    def _carried_out(self, planned: Planned) -> Passed:
        bench, feedings = self.bench, planned.feedings
        started_at, begun = datetime.now(UTC), time.perf_counter()
        one = Pass(self.adapter, bench.device, bench.dtype, feedings)
        size = bench.inputs_at_once(self.info, feedings)
        bench.listener.begin(planned.label, len(one.entries))
        try:
            with harvesting(feedings) as failed, out_of_memory(), full_precision():
                outcome = one.run(feedings[0].feed.preparation, size, bench.listener.advance)
        finally:
            bench.listener.finish()
        states = {feeding: feeding.analysis.state for feeding in feedings}
        seconds = scaled(outcome.seconds, time.perf_counter() - begun)
        return Passed(Sitting(started_at, bench.device, outcome.skipped), failed | outcome.failed, states, seconds)
