"""One model, built once, through as few passes as its tasks allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from teachmatters.api import Analysis, Context, ModelAdapter, ModelInfo, ModelSource
from teachmatters.errors import TeachMattersError
from teachmatters.runner.device import default_batch_size
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

    def applicable(self, model: ModelInfo) -> frozenset[str]:
        """The metrics that a model of this shape can have."""
        without = {metric.name for metric in self.task.spec.metrics if metric.needs_class_token}
        return self.metrics if model.class_token else self.metrics - without


@dataclass(frozen=True, slots=True)
class Gathered:
    """An analysis that has seen all of its pictures."""

    todo: Todo
    analysis: Analysis
    sitting: Sitting


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
        with out_of_memory():
            adapter = source.build()
            adapter.to(self.device, self.dtype)
            gate(adapter, self.device, self.dtype)
        return adapter

    def gather(self, label: str, adapter: ModelAdapter, todos: Sequence[Todo]) -> Iterator[Gathered]:
        """Feed every task; tasks that share data set and preparation share the pass. Each comes out when it is done."""
        together: dict[object, list[Todo]] = {}
        for todo in todos:
            together.setdefault((todo.task.dataset, todo.task.feed.preparation), []).append(todo)
        for shared in together.values():
            started = {self.start(adapter.info, todo): todo for todo in shared}
            for feedings in passes(list(started)):
                sitting = self._pass(label, adapter, feedings, started[feedings[0]].task)
                for feeding in feedings:
                    yield Gathered(started[feeding], feeding.analysis, sitting)

    def start(self, model: ModelInfo, todo: Todo) -> Feeding:
        """An analysis ready to be fed."""
        task, analysis = todo.task, todo.task.new_analysis()
        analysis.start(
            Context(
                model=model,
                metrics=todo.applicable(model),
                parameters=task.parameters,
                items=task.items,
                classes=task.opened.dataset.classes,
                device=self.device,
                limit=self.limit,
                seed=self.seed,
            )
        )
        return Feeding(analysis, task.feed, task.spec.kind, task.opened.dataset, task.items)

    def _pass(self, label: str, adapter: ModelAdapter, feedings: Sequence[Feeding], task: Task) -> Sitting:
        started_at = datetime.now(UTC)
        one = Pass(adapter, self.device, self.dtype, feedings)
        size = self.batch_size or default_batch_size(adapter.info, self.device)
        self.listener.begin(f"{label} on {task.dataset}", len(one.entries))
        try:
            with out_of_memory():
                outcome = one.run(task.feed.preparation, size, self.listener.advance)
        finally:
            self.listener.finish()
        return Sitting(started_at, self.device, outcome.skipped)


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Running out of memory becomes a sentence."""
    advice = "out of memory: try a smaller --batch-size, or --dtype bfloat16"
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TeachMattersError(advice) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            raise TeachMattersError(advice) from error
        raise
