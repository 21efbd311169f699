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
from teachmatters.runner.collect import Cache, Collector
from teachmatters.runner.collected import CollectedFeatures
from teachmatters.runner.device import default_batch_size, full_precision, out_of_memory
from teachmatters.runner.gate import gate
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.local import Local
from teachmatters.runner.network import Engine, Network, Passed, Planned
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
        state: gives what was gathered.
        sitting: the circumstances of the pass, and its share of the time until now.
        error: why it broke off.
    """

    todo: Todo
    context: Context
    analysis: Analysis
    state: Callable[[], State]
    sitting: Sitting
    error: Exception | None


Shared: TypeAlias = dict[Feeding, tuple[Todo, Context]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how forward passes are made.

    Attributes:
        cache: where features are kept that analyses collect.
        anew: extract them again if they are there.
        engine: who makes the passes.
    """

    device: torch.device
    dtype: torch.dtype
    batch_size: int | None
    seed: int
    listener: Listener
    cache: Path = Path("tm.cache")
    anew: bool = False
    engine: Engine = field(default_factory=Local)

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

    def open(self, model: LabelledModel, source: ModelSource) -> Network:
        """The model where its passes will be made.

        Raises:
            TeachMattersError: it cannot be built, or is no plain vision transformer.
        """
        return self.engine.open(self, model, source)

    def gather(self, model: Measured, network: Network, todos: Sequence[Todo]) -> Generator[Gathered]:
        """Feed every task; tasks that share data set and preparation share the pass. Each comes out when it is done."""
        begun = time.perf_counter()
        seated = Seated(self, model, todos)
        seated.collector.prepare()
        plans = [seated.planned(shared, model.asked.label) for shared in seated.together]
        prepared = (time.perf_counter() - begun) / max(len(todos), 1)
        seconds = {feeding: prepared for shared in seated.together for feeding in shared}
        with closing(network.carry_out([planned for plan in plans for planned in plan])) as done:
            for shared, plan in zip(seated.together, plans, strict=True):
                yield from self._together(shared, zip(plan, done, strict=False), seated.collector, seconds)

    def kept(self) -> Cache:
        """Where features lie, and under which circumstances."""
        dtype = str(self.dtype).removeprefix("torch.")
        return Cache(folder=self.cache, dtype=dtype, seed=self.seed, anew=self.anew, say=self.listener.say)

    def _together(
        self,
        shared: Shared,
        passes: Iterable[tuple[Planned, Passed]],
        collector: Collector,
        seconds: dict[Feeding, float],
    ) -> Iterator[Gathered]:
        """What shares data set and preparation; those that collect come last, when everything is there.

        ``seconds`` is what each has taken so far.
        """
        whole = Sitting(datetime.now(UTC), self.device)
        failed = dict(collector.failed)
        states: dict[Feeding, Callable[[], State]] = {}
        for planned, passed in passes:
            sitting = passed.sitting
            whole = replace(whole, device=sitting.device, skipped={**whole.skipped, **sitting.skipped})
            failed |= passed.failed
            states |= passed.states
            for part, taken in passed.seconds.items():
                for taker in (takers := collector.takers(part)):
                    seconds[taker] += taken / len(takers)
            for feeding in planned.feedings:
                if feeding in shared and not feeding.feed.collect:
                    state, mine = states.get(feeding, feeding.analysis.state), sitting.longer(seconds[feeding])
                    yield Gathered(*shared[feeding], feeding.analysis, state, mine, failed.get(feeding))
        for feeding, (todo, context) in shared.items():
            if feeding.feed.collect:
                error = failed.get(feeding) or collector.problem(feeding, context, failed, whole.skipped)
                state, mine = states.get(feeding, feeding.analysis.state), whole.longer(seconds[feeding])
                yield Gathered(todo, context, feeding.analysis, state, mine, error)

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

    def planned(self, shared: Shared, label: str) -> list[Planned]:
        """The same, as an engine carries it out."""
        label = f"{label} on {next(iter(shared.values()))[0].task.dataset}"
        sown = {h.feeding: h.sown for h in self.collector.harvests.values() if h.sown is not None}
        return [
            Planned(label, tuple(feedings), tuple(shared[f][0] if f in shared else sown[f] for f in feedings))
            for feedings in self.passes(shared)
        ]
