"""Describes a result as a run of the store: validated, with its provenance."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import torch

from teachmatters.api import ModelInfo, Result
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.provenance import git_commit, versions
from teachmatters.runner.record.validate import check_result
from teachmatters.store import ModelRow, Run

MOST_NAMED = 20  # all skipped images are counted; this many are named in the notes


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """A model whose weights and shape are known.

    Attributes:
        asked: its label, spec and weights file.
        weights: sha256 of the weights.
        info: its shape.
        remarks: sentences about the weights that are stored with each run.
    """

    asked: LabelledModel
    weights: str
    info: ModelInfo
    remarks: tuple[str, ...] = ()

    def row(self) -> ModelRow:
        """Return the model as the store keeps it."""
        spec, info = self.asked.spec, self.info
        # Weights from a file may have any origin, so the spec's supervision does not apply to them.
        known = spec.supervision if self.asked.weights is None else info.supervision
        return ModelRow(
            label=self.asked.label,
            name=spec.name,
            weights=self.weights,
            family=spec.family,
            supervision=known if self.asked.supervision is None else self.asked.supervision,
            arch=info.arch,
            patch_size=info.patch_size,
            image_size=info.image_size,
            depth=info.depth,
            heads=info.heads,
        )


@dataclass(frozen=True, slots=True)
class RunConditions:
    """Conditions of a measurement.

    Attributes:
        started_at: when it began.
        device: on which it ran.
        skipped: images that could not be read, and why.
        looked: False if no image was read because no metric applies to the model.
        seconds: the measurement's share, so far, of the time that the command took.
    """

    started_at: datetime
    device: torch.device
    skipped: Mapping[str, str] = field(default_factory=dict)
    looked: bool = True
    seconds: float = 0.0

    def longer(self, seconds: float) -> RunConditions:
        """Return the same conditions with more time spent."""
        return replace(self, seconds=self.seconds + seconds)

    def skipped_of(self, task: Task) -> dict[str, str]:
        """Return the images of a task that could not be read, and why.

        Raises:
            TeachMattersError: none could be read.
        """
        keys = task.keys
        skipped = {key: reason for key, reason in self.skipped.items() if key in keys}
        if len(skipped) == len(keys):
            key, reason = next(iter(skipped.items()))
            raise TeachMattersError(
                f"nothing to measure: none of {len(keys)} images of {task.dataset!r} could be read "
                f"(first: {key}: {reason})"
            )
        return skipped


def describe_run(
    pending: PendingTask,
    models: tuple[MeasuredModel, MeasuredModel | None],
    conditions: RunConditions,
    result: Result,
) -> Run:
    """Validate a result and describe it as a run with its provenance.

    Args:
        pending: the task and the metrics that were measured.
        models: the model, and for a pair the other one.
        conditions: the conditions of the measurement.
        result: the result of the analysis.

    Raises:
        TeachMattersError: the result does not match what the analysis declares.
    """
    task, metrics = pending.task, pending.metrics
    model, other = models
    skipped = conditions.skipped_of(task)
    check_result(task.spec, metrics, result, model.info, other.info if other else model.info)
    second = (other.asked.label, other.weights) if other else ("", "")
    return Run(
        run_id=str(uuid.uuid4()),
        cell=task.cell(model.asked.label, model.weights, *second),
        model=model.row(),
        other=other.row() if other else None,
        setting=task.setting,
        device=str(conditions.device),
        n_items=len(task.keys) - len(skipped) if conditions.looked else 0,
        n_skipped=len(skipped),
        notes=_notes(result.notes, skipped, task.remarks, [m for m in models if m]),
        versions=versions(),
        git_commit=git_commit(),
        started_at=conditions.started_at,
        finished_at=datetime.now(UTC),
        seconds=conditions.seconds,
        metrics=tuple(metric for metric in task.spec.metrics if metric.name in metrics),
    )


def _notes(
    notes: Mapping[str, Any], skipped: Mapping[str, str], remarks: Sequence[str], models: Sequence[MeasuredModel]
) -> dict[str, Any]:
    own_notes = {
        "skipped": dict(list(skipped.items())[:MOST_NAMED]),
        "data": list(remarks),
        "weights": [f"{model.asked.label}: {remark}" for model in models for remark in model.remarks],
    }
    return {**notes, **{name: value for name, value in own_notes.items() if value}}
