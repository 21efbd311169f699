"""One model, built once, through as few passes as its tasks allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from teachmatters.api import Analysis, Context, ModelAdapter, ModelInfo, ModelSource
from teachmatters.runner.device import default_batch_size, full_precision, out_of_memory
from teachmatters.runner.engine import Pass
from teachmatters.runner.gate import gate
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Sitting
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how forward passes are made."""

    device: torch.device
    dtype: torch.dtype
    batch_size: int | None
    seed: int
    limit: int | None
    listener: Listener

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

    def gather(self, label: str, adapter: ModelAdapter, todos: Sequence[Todo]) -> Iterator[Gathered]:
        """Feed every task; tasks that share data set and preparation share the pass. Each comes out when it is done."""
        together: dict[object, dict[Feeding, tuple[Todo, Context]]] = {}
        for todo in todos:
            feeding, context = self.start(adapter.info, todo, label)
            shared = together.setdefault((todo.task.dataset, feeding.feed.preparation), {})
            shared[feeding] = todo, context
        for shared in together.values():
            for feedings in passes(list(shared)):
                about = shared[feedings[0]][0].task.dataset
                sitting, failed = self._pass(f"{label} on {about}", adapter, feedings)
                for feeding in feedings:
                    todo, context = shared[feeding]
                    yield Gathered(todo, context, feeding.analysis, sitting, failed.get(feeding))

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
            limit=self.limit,
            seed=self.seed,
            label=label,
        )
        analysis = task.new_analysis()
        feed = analysis.feed(task.parameters, metrics)
        analysis.start(context)
        return Feeding(analysis, feed, task.kinds, task.opened.dataset, task.items), context

    def _pass(
        self, label: str, adapter: ModelAdapter, feedings: Sequence[Feeding]
    ) -> tuple[Sitting, dict[Feeding, Exception]]:
        started_at = datetime.now(UTC)
        one = Pass(adapter, self.device, self.dtype, feedings)
        groups = [feeding.feed.group for feeding in feedings if isinstance(feeding.feed.group, int)]
        size = self.batch_size or default_batch_size(adapter.info, self.device, max(groups, default=1))
        self.listener.begin(label, len(one.entries))
        try:
            with out_of_memory(), full_precision():
                outcome = one.run(feedings[0].feed.preparation, size, self.listener.advance)
        finally:
            self.listener.finish()
        return Sitting(started_at, self.device, outcome.skipped), outcome.failed
