"""The engine that is always there: passes in this process."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teachmatters.api import ModelAdapter, ModelSource
from teachmatters.runner.engines.base import PassOutcome, PlannedPass
from teachmatters.runner.features.extractor import writing_features
from teachmatters.runner.forward.device import full_precision, out_of_memory
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.time_shares import scale_shares
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.record.run import RunConditions

if TYPE_CHECKING:
    from teachmatters.runner.session.passes import PassSettings


class LocalEngine:
    """See network.Engine."""

    def open(self, settings: PassSettings, model: LabelledModel, source: ModelSource) -> LocalExecutor:
        """See network.Engine."""
        return LocalExecutor(settings, settings.build(source))


class LocalExecutor:
    """See network.Network; a pass is made when it is asked for."""

    def __init__(self, settings: PassSettings, adapter: ModelAdapter) -> None:
        self.settings, self.adapter, self.info = settings, adapter, adapter.info

    def carry_out(self, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        """See network.Network."""
        for planned in passes:
            yield self._carried_out(planned)

    def _carried_out(self, planned: PlannedPass) -> PassOutcome:
        settings, members = self.settings, planned.members
        started_at, begun = datetime.now(UTC), time.perf_counter()
        one = Pass(self.adapter, settings.device, settings.dtype, members)
        size = settings.inputs_at_once(self.info, members)
        settings.progress.begin(planned.label, len(one.entries))
        try:
            with writing_features(members) as failed, out_of_memory(), full_precision():
                outcome = one.run(members[0].input_spec.transform, size, settings.progress.advance)
        finally:
            settings.progress.finish()
        states = {member: member.analysis.state for member in members}
        seconds = scale_shares(outcome.seconds, time.perf_counter() - begun)
        return PassOutcome(
            RunConditions(started_at, settings.device, outcome.skipped), failed | outcome.failed, states, seconds
        )
