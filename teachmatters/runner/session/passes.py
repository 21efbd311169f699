"""The passes of one model: groups analyses that share a pass, and collects the state of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from teachmatters.api import Analysis, Context, State
from teachmatters.runner.engines.base import PassExecutor, PassOutcome, PlannedPass
from teachmatters.runner.features.members import start_member
from teachmatters.runner.features.plan import FeaturePlan
from teachmatters.runner.forward.schedule import PassMember, passes
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.record.run import MeasuredModel, RunConditions

SharedPass: TypeAlias = dict[PassMember, tuple[PendingTask, Context]]


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """An analysis that has received all of its images, or failed.

    Attributes:
        pending: the task and the metrics that were missing.
        context: the context that the analysis was started with.
        analysis: the analysis.
        state: returns the state of the analysis.
        conditions: the conditions of its passes, with its share of their time.
        error: why it failed, None if it did not.
    """

    pending: PendingTask
    context: Context
    analysis: Analysis
    state: Callable[[], State]
    conditions: RunConditions
    error: Exception | None


class PassPlan:
    """The pending tasks of one model, each with a started analysis; tasks that can share a pass form a group.

    Attributes:
        groups: members with the same images and the same transform.
        features: the features that analyses need of all images together.
        refused: tasks whose analysis could not start, with its error.
    """

    def __init__(
        self,
        settings: PassSettings,
        model: MeasuredModel,
        pending_tasks: Sequence[PendingTask],
        say: Callable[[str], None],
    ) -> None:
        self.label = model.asked.label
        self.features = FeaturePlan(settings, model, say)
        self.refused: list[tuple[PendingTask, Exception]] = []
        groups: dict[object, SharedPass] = {}
        for pending in pending_tasks:
            try:
                member, context = start_member(pending, model.info, settings, self.label)
            except Exception as error:  # noqa: BLE001  plugin code may raise anything; the others go on
                self.refused.append((pending, error))
                continue
            shared = groups.setdefault((pending.task.pool, member.input_spec.transform), {})
            shared[member] = pending, context
            if member.input_spec.collect:
                self.features.want(member, pending.task, context)
        self.groups = list(groups.values())

    def passes(self, shared: SharedPass) -> list[list[PassMember]]:
        """Return the members of each pass of a group, with those that write the features that the cache lacks."""
        reading = [member for member in shared if member.input_spec.taps and member not in self.features.failed]
        return passes(reading + self.features.members(shared))

    def planned(self, shared: SharedPass) -> list[PlannedPass]:
        """Return the passes of a group as an engine runs them."""
        label = f"{self.label} on {next(iter(shared.values()))[0].task.dataset}"
        jobs = {e.member: e.job for e in self.features.extractions.values() if e.job is not None}
        return [
            PlannedPass(label, tuple(members), tuple(shared[m][0] if m in shared else jobs[m] for m in members))
            for members in self.passes(shared)
        ]


def run_passes(plan: PassPlan, executor: PassExecutor) -> Generator[AnalysisResult]:
    """Run all passes of a plan, and yield each analysis as soon as it is complete."""
    start = time.perf_counter()
    plan.features.begin()
    planned = [plan.planned(shared) for shared in plan.groups]
    members = [member for shared in plan.groups for member in shared]
    seconds = dict.fromkeys(members, (time.perf_counter() - start) / max(len(members), 1))
    with closing(executor.run([planned_pass for group in planned for planned_pass in group])) as outcomes:
        for shared, group in zip(plan.groups, planned, strict=True):
            yield from _results(shared, zip(group, outcomes, strict=False), plan.features, seconds)


def _results(
    shared: SharedPass,
    outcomes: Iterable[tuple[PlannedPass, PassOutcome]],
    features: FeaturePlan,
    seconds: dict[PassMember, float],
) -> Iterator[AnalysisResult]:
    """Yield the analyses of a group; those that read features come last, when all features are there.

    ``seconds`` holds the time that each member has taken so far, and is updated.
    """
    whole = RunConditions(datetime.now(UTC), features.settings.device)
    failed = dict(features.failed)
    states: dict[PassMember, Callable[[], State]] = {}
    for planned, outcome in outcomes:
        conditions = outcome.conditions
        whole = replace(whole, device=conditions.device, skipped={**whole.skipped, **conditions.skipped})
        failed |= outcome.failed
        states |= outcome.states
        for member, taken in outcome.seconds.items():
            for taker in (takers := features.takers(member)):
                seconds[taker] += taken / len(takers)
        for member in planned.members:
            if member in shared and not member.input_spec.collect:
                state, own = states.get(member, member.analysis.state), conditions.longer(seconds[member])
                yield AnalysisResult(*shared[member], member.analysis, state, own, failed.get(member))
    for member, (pending, context) in shared.items():
        if member.input_spec.collect:
            error = failed.get(member) or features.problem(member, context, failed, whole.skipped)
            state, own = states.get(member, member.analysis.state), whole.longer(seconds[member])
            yield AnalysisResult(pending, context, member.analysis, state, own, error)
