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
        needs_class_token = {metric.name for metric in self.task.spec.metrics if metric.needs_class_token}
        return self.metrics if all(model.class_token for model in models) else self.metrics - needs_class_token
