"""The default engine: forward passes in this process."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime

from teachmatters.api import ModelAdapter, ModelSource
from teachmatters.api.progress import Progress
from teachmatters.runner.engines.base import PassOutcome, PlannedPass
from teachmatters.runner.features.extractor import writing_features
from teachmatters.runner.forward.build import build_model
from teachmatters.runner.forward.device import full_precision, out_of_memory
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.forward.time_shares import scale_shares
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.record.run import RunConditions


class LocalEngine:
    """See :class:`teachmatters.runner.engines.base.Engine`."""

    def open(
        self, model: LabelledModel, source: ModelSource, settings: PassSettings, progress: Progress
    ) -> LocalExecutor:
        """Build and check the model in this process."""
        return LocalExecutor(build_model(source, settings), settings, progress)


class LocalExecutor:
    """An executor that runs each pass when its outcome is requested."""

    def __init__(self, adapter: ModelAdapter, settings: PassSettings, progress: Progress) -> None:
        self.adapter, self.settings, self.progress = adapter, settings, progress
        self.info = adapter.info

    def run(self, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        """Run the passes one after the other."""
        for planned in passes:
            yield self._run(planned)

    def _run(self, planned: PlannedPass) -> PassOutcome:
        settings, members = self.settings, planned.members
        started_at, start = datetime.now(UTC), time.perf_counter()
        forward_pass = Pass(self.adapter, settings.device, settings.dtype, members)
        size = settings.batch_size_for(self.info, members)
        self.progress.begin(planned.label, len(forward_pass.entries))
        try:
            with writing_features(members) as failed, out_of_memory(), full_precision():
                outcome = forward_pass.run(members[0].input_spec.transform, size, self.progress.advance)
        finally:
            self.progress.finish()
        states = {member: member.analysis.state for member in members}
        seconds = scale_shares(outcome.seconds, time.perf_counter() - start)
        conditions = RunConditions(started_at, settings.device, outcome.skipped)
        return PassOutcome(conditions, failed | outcome.failed, states, seconds)
