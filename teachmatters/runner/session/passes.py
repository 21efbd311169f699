"""One model, built once, through as few passes as its tasks allow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import torch

from teachmatters.api import Analysis, Context, ModelAdapter, ModelInfo, ModelSource, State
from teachmatters.runner.engines.base import Engine, PassExecutor, PassOutcome, PlannedPass
from teachmatters.runner.engines.local import LocalEngine
from teachmatters.runner.features.plan import FeatureCache, FeaturePlan
from teachmatters.runner.features.reader import CollectedFeatures
from teachmatters.runner.forward.device import default_batch_size, full_precision, out_of_memory
from teachmatters.runner.forward.preflight import preflight_check
from teachmatters.runner.forward.schedule import PassMember, passes
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import MeasuredModel, RunConditions
from teachmatters.runner.requests import Progress


@dataclass(frozen=True, slots=True)
class PendingTask:
    """What is missing of one task."""

    task: Task
    metrics: frozenset[str]

    def applicable(self, *models: ModelInfo) -> frozenset[str]:
        """The metrics that models of these shapes can have."""
        without = {metric.name for metric in self.task.spec.metrics if metric.needs_class_token}
        return self.metrics if all(model.class_token for model in models) else self.metrics - without


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """An analysis that has seen all of its images, or broke off.

    Attributes:
        pending: what is missing of which task.
        context: what it was started with.
        analysis: itself.
        state: gives what was gathered.
        conditions: the circumstances of the pass, and its share of the time until now.
        error: why it broke off.
    """

    pending: PendingTask
    context: Context
    analysis: Analysis
    state: Callable[[], State]
    conditions: RunConditions
    error: Exception | None


SharedPass: TypeAlias = dict[PassMember, tuple[PendingTask, Context]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSettings:
    """Where and how forward passes are made.

    Attributes:
        cache: where features are kept that analyses collect.
        force: extract them again if they are there.
        engine: who makes the passes.
    """

    device: torch.device
    dtype: torch.dtype
    batch_size: int | None
    seed: int
    progress: Progress
    cache: Path = Path("tm.cache")
    force: bool = False
    engine: Engine = field(default_factory=LocalEngine)

    def build(self, source: ModelSource) -> ModelAdapter:
        """The network, moved and gated.

        Raises:
            TeachMattersError: it cannot be built, or is no plain vision transformer.
        """
        with out_of_memory(), full_precision():
            adapter = source.build()
            adapter.to(self.device, self.dtype)
            preflight_check(adapter, self.device, self.dtype)
        return adapter

    def open(self, model: LabelledModel, source: ModelSource) -> PassExecutor:
        """The model where its passes will be made.

        Raises:
            TeachMattersError: it cannot be built, or is no plain vision transformer.
        """
        return self.engine.open(self, model, source)

    def gather(
        self, model: MeasuredModel, network: PassExecutor, pending_tasks: Sequence[PendingTask]
    ) -> Generator[AnalysisResult]:
        """Feed every task; tasks that share data set and transform share the pass. Each comes out when it is done."""
        begun = time.perf_counter()
        seated = PassPlan(self, model, pending_tasks)
        seated.collector.prepare()
        plans = [seated.planned(shared, model.asked.label) for shared in seated.together]
        transformed = (time.perf_counter() - begun) / max(len(pending_tasks), 1)
        seconds = {member: transformed for shared in seated.together for member in shared}
        with closing(network.carry_out([planned for plan in plans for planned in plan])) as done:
            for shared, plan in zip(seated.together, plans, strict=True):
                yield from self._together(shared, zip(plan, done, strict=False), seated.collector, seconds)

    def kept(self) -> FeatureCache:
        """Where features lie, and under which circumstances."""
        dtype = str(self.dtype).removeprefix("torch.")
        return FeatureCache(folder=self.cache, dtype=dtype, seed=self.seed, force=self.force, say=self.progress.say)

    def _together(
        self,
        shared: SharedPass,
        passes: Iterable[tuple[PlannedPass, PassOutcome]],
        collector: FeaturePlan,
        seconds: dict[PassMember, float],
    ) -> Iterator[AnalysisResult]:
        """What shares data set and transform; those that collect come last, when everything is there.

        ``seconds`` is what each has taken so far.
        """
        whole = RunConditions(datetime.now(UTC), self.device)
        failed = dict(collector.failed)
        states: dict[PassMember, Callable[[], State]] = {}
        for planned, passed in passes:
            conditions = passed.conditions
            whole = replace(whole, device=conditions.device, skipped={**whole.skipped, **conditions.skipped})
            failed |= passed.failed
            states |= passed.states
            for part, taken in passed.seconds.items():
                for taker in (takers := collector.takers(part)):
                    seconds[taker] += taken / len(takers)
            for member in planned.members:
                if member in shared and not member.input_spec.collect:
                    state, mine = states.get(member, member.analysis.state), conditions.longer(seconds[member])
                    yield AnalysisResult(*shared[member], member.analysis, state, mine, failed.get(member))
        for member, (pending, context) in shared.items():
            if member.input_spec.collect:
                error = failed.get(member) or collector.problem(member, context, failed, whole.skipped)
                state, mine = states.get(member, member.analysis.state), whole.longer(seconds[member])
                yield AnalysisResult(pending, context, member.analysis, state, mine, error)

    def start(self, model: ModelInfo, pending: PendingTask, label: str = "") -> tuple[PassMember, Context]:
        """An analysis ready to be fed, and what it was started with."""
        task, metrics = pending.task, pending.applicable(model)
        context = Context(
            model=model,
            metrics=metrics,
            parameters=task.parameters,
            items=task.items,
            dataset=task.opened.dataset,
            device=self.device,
            limit=task.template.limit,
            seed=self.seed,
            label=label,
            features=CollectedFeatures(task.items),
        )
        analysis = task.new_analysis()
        input_spec = analysis.input_spec(task.parameters, metrics)
        analysis.start(context)
        return PassMember(analysis, input_spec, task.kinds, task.opened.dataset, task.items), context

    def inputs_at_once(self, model: ModelInfo, members: Sequence[PassMember]) -> int:
        """The size of a batch."""
        groups = [member.input_spec.group for member in members if isinstance(member.input_spec.group, int)]
        return self.batch_size or default_batch_size(model, self.device, max(groups, default=1))


class PassPlan:
    """The tasks of one model, each with an analysis that was started, by who shares a pass.

    Attributes:
        together: what shares the images of a data set and their transform.
        collector: what they want of all images together.
    """

    def __init__(self, settings: PassSettings, model: MeasuredModel, pending_tasks: Sequence[PendingTask]) -> None:
        self.collector = FeaturePlan(settings.kept(), model)
        groups: dict[object, SharedPass] = {}
        for pending in pending_tasks:
            member, context = settings.start(model.info, pending, model.asked.label)
            shared = groups.setdefault((pending.task.pool, member.input_spec.transform), {})
            shared[member] = pending, context
            if member.input_spec.collect:
                self.collector.want(member, pending.task, context)
        self.together = list(groups.values())

    def passes(self, shared: SharedPass) -> list[list[PassMember]]:
        """Of what could share a pass, who does; with them what brings the features that the cache lacks."""
        fed = [member for member in shared if member.input_spec.taps and member not in self.collector.failed]
        return passes(fed + self.collector.members(shared))

    def planned(self, shared: SharedPass, label: str) -> list[PlannedPass]:
        """The same, as an engine carries it out."""
        label = f"{label} on {next(iter(shared.values()))[0].task.dataset}"
        job = {h.member: h.job for h in self.collector.extractions.values() if h.job is not None}
        return [
            PlannedPass(label, tuple(members), tuple(shared[f][0] if f in shared else job[f] for f in members))
            for members in self.passes(shared)
        ]
