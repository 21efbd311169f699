"""One model, built once, through as few passes as its tasks allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import torch

from teachmatters.api import Analysis, Context, ModelAdapter, ModelInfo, ModelSource
from teachmatters.runner.collect import Cache, Collector
from teachmatters.runner.collected import CollectedFeatures
from teachmatters.runner.device import default_batch_size, full_precision, out_of_memory
from teachmatters.runner.engine import Pass
from teachmatters.runner.gate import gate
from teachmatters.runner.harvest import harvesting
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Measured, Sitting
from teachmatters.runner.request import Listener
from teachmatters.runner.seats import Feeding, passes


@dataclass(frozen=True, slots=True)
class Todo:
    """What is missing of one task."""

    task: Task
    metrics: frozenset[str]

    def applicable(self, *models: ModelInfo) -> frozenset[str]:
        """The metrics that models of these shapes can have."""
        without = {metric.name for metric in self.task.spec.metrics if metric.needs_class_token}
        return self.metrics if all(model.class_token for model in models) else self.metrics - without


@dataclass(frozen=True, slots=True)
class Gathered:
    """An analysis that has seen all of its pictures, or broke off.

    Attributes:
        todo: what is missing of which task.
        context: what it was started with.
        analysis: itself.
        sitting: the circumstances of the pass.
        error: why it broke off.
    """

    todo: Todo
    context: Context
    analysis: Analysis
    sitting: Sitting
    error: Exception | None


Shared: TypeAlias = dict[Feeding, tuple[Todo, Context]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how forward passes are made.

    Attributes:
        cache: where features are kept that analyses collect.
        anew: extract them again if they are there.
    """

    device: torch.device
    dtype: torch.dtype
    batch_size: int | None
    seed: int
    listener: Listener
    cache: Path = Path("tm.cache")
    anew: bool = False

    def build(self, source: ModelSource) -> ModelAdapter:
        """The network, moved and gated.

        Raises:
            TeachMattersError: it cannot be built, or is no plain vision transformer.
        """
        with out_of_memory(), full_precision():
            adapter = source.build()
            adapter.to(self.device, self.dtype)
            gate(adapter, self.device, self.dtype)
        return adapter

    def gather(self, model: Measured, adapter: ModelAdapter, todos: Sequence[Todo]) -> Iterator[Gathered]:
        """Feed every task; tasks that share data set and preparation share the pass. Each comes out when it is done."""
        seated = Seated(self, model, todos)
        seated.collector.prepare()
        for shared in seated.together:
            yield from self._together(model.asked.label, adapter, shared, seated)

    def kept(self) -> Cache:
        """Where features lie, and under which circumstances."""
        dtype = str(self.dtype).removeprefix("torch.")
        return Cache(folder=self.cache, dtype=dtype, seed=self.seed, anew=self.anew, say=self.listener.say)

    def _together(self, label: str, adapter: ModelAdapter, shared: Shared, seated: Seated) -> Iterator[Gathered]:
        """What shares data set and preparation; those that collect come last, when everything is there."""
        dataset = next(iter(shared.values()))[0].task.dataset
        started_at = datetime.now(UTC)
        skipped: dict[str, str] = {}
        collector = seated.collector
        failed = dict(collector.failed)
        for feedings in seated.passes(shared):
            sitting, broken = self._pass(f"{label} on {dataset}", adapter, feedings)
            skipped |= sitting.skipped
            failed |= broken
            for feeding in feedings:
                if feeding in shared and not feeding.feed.collect:
                    yield Gathered(*shared[feeding], feeding.analysis, sitting, failed.get(feeding))
        for feeding, (todo, context) in shared.items():
            if feeding.feed.collect:
                error = failed.get(feeding) or collector.problem(feeding, context, failed, skipped)
                yield Gathered(todo, context, feeding.analysis, Sitting(started_at, self.device, skipped), error)

    def start(self, model: ModelInfo, todo: Todo, label: str = "") -> tuple[Feeding, Context]:
        """An analysis ready to be fed, and what it was started with."""
        task, metrics = todo.task, todo.applicable(model)
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
        feed = analysis.feed(task.parameters, metrics)
        analysis.start(context)
        return Feeding(analysis, feed, task.kinds, task.opened.dataset, task.items), context

    def inputs_at_once(self, model: ModelInfo, feedings: Sequence[Feeding]) -> int:
        """The size of a batch."""
        groups = [feeding.feed.group for feeding in feedings if isinstance(feeding.feed.group, int)]
        return self.batch_size or default_batch_size(model, self.device, max(groups, default=1))

    def _pass(
        self, label: str, adapter: ModelAdapter, feedings: Sequence[Feeding]
    ) -> tuple[Sitting, dict[Feeding, Exception]]:
        started_at = datetime.now(UTC)
        one = Pass(adapter, self.device, self.dtype, feedings)
        size = self.inputs_at_once(adapter.info, feedings)
        self.listener.begin(label, len(one.entries))
        try:
            with harvesting(feedings) as failed, out_of_memory(), full_precision():
                outcome = one.run(feedings[0].feed.preparation, size, self.listener.advance)
        finally:
            self.listener.finish()
        return Sitting(started_at, self.device, outcome.skipped), failed | outcome.failed


class Seated:
    """The tasks of one model, each with an analysis that was started, by who shares a pass.

    Attributes:
        together: what shares the pictures of a data set and their preparation.
        collector: what they want of all pictures together.
    """

    def __init__(self, bench: Bench, model: Measured, todos: Sequence[Todo]) -> None:
        self.collector = Collector(bench.kept(), model)
        groups: dict[object, Shared] = {}
        for todo in todos:
            feeding, context = bench.start(model.info, todo, model.asked.label)
            shared = groups.setdefault((todo.task.pool, feeding.feed.preparation), {})
            shared[feeding] = todo, context
            if feeding.feed.collect:
                self.collector.want(feeding, todo.task, context)
        self.together = list(groups.values())

    def passes(self, shared: Shared) -> list[list[Feeding]]:
        """Of what could share a pass, who does; with them what brings the features that the cache lacks."""
        fed = [feeding for feeding in shared if feeding.feed.taps and feeding not in self.collector.failed]
        return passes(fed + self.collector.feedings(shared))
