"""The part of a task that the store lacks."""

from __future__ import annotations

from dataclasses import dataclass

from teachmatters.api import ModelInfo
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.tasks import Task


@dataclass(frozen=True, slots=True)
class PendingTask:
    """A task with the metrics that are still missing."""

    task: Task
    metrics: frozenset[str]

    def applicable(self, *models: ModelInfo) -> frozenset[str]:
        """Return the missing metrics that all of these models can have."""
        return self.metrics.difference(*self.lacking(*models).values())

    def lacking(self, *models: ModelInfo) -> dict[str, set[str]]:
        """Return the missing metrics that some of these models cannot have, by what the model lacks."""
        lacking: dict[str, set[str]] = {}
        for metric in self.task.spec.metrics:
            for model in models if metric.name in self.metrics else ():
                if lack := metric.lacking(model) or self.task.inputs[metric.name].lacking(model):
                    lacking.setdefault(lack, set()).add(metric.name)
        return lacking

    def pools(self, model: ModelInfo) -> bool:
        """Return whether the feature ``auto`` is the mean of the patch tokens, because the model has no class token."""
        readouts = (readout for name in self.metrics for readout in self.task.inputs[name].readouts)
        return not model.class_token and any(readout.feature == "auto" for readout in readouts)

    def check(self, model: ModelInfo) -> None:
        """Check that the parameters suit the model.

        Raises:
            TeachMattersError: the model has no last norm for ``norm=final``, or is too large for the transform.
        """
        for input_spec in (self.task.inputs[name] for name in self.applicable(model)):
            input_spec.transform.check(model)
            if not model.last_norm and any(readout.norm == "final" for readout in input_spec.readouts):
                raise TeachMattersError(
                    f"norm=final: this network ({model.arch}) has no last norm; leave out norm=final"
                )
