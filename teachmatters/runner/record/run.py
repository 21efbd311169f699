"""One run as the store will keep it: checked, and told where it comes from."""

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
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.provenance import git_commit, versions
from teachmatters.runner.record.validate import check_result
from teachmatters.store import Cell, ModelRow, Run

MOST_NAMED = 20
"""Skipped images are all counted; the run's record names this many."""


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """A model that was built, as the store will know it.

    Attributes:
        asked: label, spec and file.
        weights: sha256 of the weights.
        info: its shape.
        remarks: what changes its numbers and is to be kept with them.
    """

    asked: LabelledModel
    weights: str
    info: ModelInfo
    remarks: tuple[str, ...] = ()

    def row(self) -> ModelRow:
        """What the store keeps of it."""
        spec, info = self.asked.spec, self.info
        # Weights from a file are of any origin: what the spec says is of its own.
        told = spec.supervision if self.asked.weights is None else info.supervision
        return ModelRow(
            label=self.asked.label,
            name=spec.name,
            weights=self.weights,
            family=spec.family,
            supervision=told if self.asked.supervision is None else self.asked.supervision,
            arch=info.arch,
            patch_size=info.patch_size,
            image_size=info.image_size,
            depth=info.depth,
            heads=info.heads,
        )


@dataclass(frozen=True, slots=True)
class RunConditions:
    """The circumstances of a measurement.

    Attributes:
        started_at: when it began.
        device: where it was made.
        skipped: images that could not be read, and why.
        looked: False when no image was needed, since nothing applies to the model.
        seconds: its share, until now, of the time that the command took.
    """

    started_at: datetime
    device: torch.device
    skipped: Mapping[str, str] = field(default_factory=dict)
    looked: bool = True
    seconds: float = 0.0

    def longer(self, seconds: float) -> RunConditions:
        """The same, after so much more time."""
        return replace(self, seconds=self.seconds + seconds)

    def skipped_of(self, task: Task) -> dict[str, str]:
        """Of the images that could not be read, those of a task.

        Raises:
            TeachMattersError: that is all of them.
        """
        keys = task.keys
        mine = {key: why for key, why in self.skipped.items() if key in keys}
        if len(mine) == len(keys):
            key, why = next(iter(mine.items()))
            raise TeachMattersError(
                f"nothing to measure: none of {len(keys)} images of {task.dataset!r} could be read "
                f"(first: {key}: {why})"
            )
        return mine


def cell_of(task: Task, label: str, weights: str, other: str = "", other_weights: str = "") -> Cell:
    """The cell of a task for one model, or for a pair."""
    return replace(task.template, model=label, weights=weights, other_model=other, other_weights=other_weights)


def describe_run(
    task: Task,
    metrics: frozenset[str],
    models: tuple[MeasuredModel, MeasuredModel | None],
    conditions: RunConditions,
    result: Result,
) -> Run:
    """A checked result as a run that knows where it comes from.

    Args:
        task: what was measured.
        metrics: those that were missing, hence measured.
        models: the model, and for a pair the other one.
        conditions: the circumstances.
        result: what the analysis computed.

    Raises:
        TeachMattersError: the result breaks what the analysis declared.
    """
    model, other = models
    skipped = conditions.skipped_of(task)
    check_result(task.spec, metrics, result, model.info, other.info if other else model.info)
    second = (other.asked.label, other.weights) if other else ("", "")
    return Run(
        run_id=str(uuid.uuid4()),
        cell=cell_of(task, model.asked.label, model.weights, *second),
        model=model.row(),
        other=other.row() if other else None,
        setting=task.setting,
        device=str(conditions.device),
        n_items=len(task.keys) - len(skipped) if conditions.looked else 0,
        n_skipped=len(skipped),
        notes=_notes(result.notes, skipped, task.remarks, [each for each in models if each]),
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
    about = {
        "skipped": dict(list(skipped.items())[:MOST_NAMED]),
        "data": list(remarks),
        "weights": [f"{each.asked.label}: {remark}" for each in models for remark in each.remarks],
    }
    return {**notes, **{name: told for name, told in about.items() if told}}
