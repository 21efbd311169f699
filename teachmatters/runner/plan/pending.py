"""The part of a task that the store lacks."""

from __future__ import annotations

from dataclasses import dataclass

from teachmatters.api import ModelInfo
from teachmatters.runner.plan.tasks import Task


@dataclass(frozen=True, slots=True)
class PendingTask:
    """A task with the metrics that are still missing."""

    task: Task
    metrics: frozenset[str]

    def applicable(self, *models: ModelInfo) -> frozenset[str]:
        """Return the missing metrics that all of these models can have."""
        lacking = {
            metric.name
            for metric in self.task.spec.metrics
            for model in models
            if (metric.needs_class_token and not model.class_token) or (metric.needs_registers and not model.registers)
        }
        return self.metrics - lacking
