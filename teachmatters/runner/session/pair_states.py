"""One model's halves of comparisons, kept beside the store: a model is passed over once for all pairs to come."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from teachmatters.api import Context, ModelInfo, State
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.holding import hold
from teachmatters.cache.limit import make_room
from teachmatters.cache.location import cache_folder
from teachmatters.cache.states import load_state, save_state
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import RunConditions, cell_of
from teachmatters.runner.session.passes import AnalysisResult, PassSettings, PendingTask
from teachmatters.store.location import StoreLocation

FILE = "state.safetensors"


@dataclass(frozen=True, slots=True)
class PairState:
    """One model's half of a comparison; its state is read when it is needed."""

    context: Context
    conditions: RunConditions
    state: Callable[[], State]


class PairStateCache:
    """The halves that lie beside a store.

    A state is found again by everything that changes it: weights and model, the items of the data set, the analysis
    with its version and parameters, limit, seed and dtype. It must hold at least the metrics asked for.
    """

    def __init__(self, db: StoreLocation, settings: PassSettings) -> None:
        self.folder, self.settings = cache_folder(db), settings
        # One model against all others: its own state stays, theirs come and go.
        self.read = functools.lru_cache(maxsize=2)(load_state)

    def find(self, pending: PendingTask, model: LabelledModel, weights: str) -> tuple[ModelInfo, PairState] | None:
        """The half of a model with these weights, and the model's shape, if a pass has left it whole."""
        entry = self.entry(pending.task, model, weights)
        hold(entry)
        try:
            holds = entry.holds() or {}
            info = _info(holds["shape"])
            enough = pending.applicable(info) <= set(holds["metrics"])
        except (KeyError, TypeError):  # never made, or not as we make it
            return None
        path = entry.path / FILE
        if not path.is_file() or not enough or not self._sound(path, entry.key):
            return None
        entry.touch()
        _, context = self.settings.start(info, pending)
        conditions = RunConditions(datetime.now(UTC), self.settings.device, holds["skipped"])
        return info, PairState(context, conditions, lambda: self.read(path, entry.key))

    def _sound(self, path: Path, key: str) -> bool:
        """Whether a state is as it was written; one that is not is said, and the pass to come replaces it."""
        try:
            self.read(path, key)
        except TeachMattersError:
            self.settings.progress.say(
                f"{path} is damaged, another model's or cannot be read: its model is passed over anew"
            )
            return False
        return True

    def keep(self, gathered: AnalysisResult, model: LabelledModel, weights: str) -> PairState:
        """Save what a pass has gathered; where that is impossible it lives as long as the command."""
        context, conditions, state = gathered.context, gathered.conditions, gathered.state()
        task = gathered.pending.task
        entry = self.entry(task, model, weights)
        holds = {
            "shape": dataclasses.asdict(context.model),
            "metrics": sorted(context.metrics),
            "skipped": dict(conditions.skipped),
            "images": len(task.keys) - len(conditions.skipped_of(task)),
        }
        try:
            make_room(
                self.folder, self.settings.progress.say, sum(np.asarray(value).nbytes for value in state.values())
            )
            entry.begin({})  # while it is being replaced, nothing is said of what it holds
            hold(entry)
            save_state(entry.path / FILE, state, entry.key)
            entry.begin(holds)
        except TeachMattersError as error:
            self.settings.progress.say(f"what this pass found is not kept for later comparisons: {error}")
            return PairState(context, conditions, lambda: state)
        self.read.cache_clear()
        return PairState(context, conditions, lambda: self.read(entry.path / FILE, entry.key))

    def entry(self, task: Task, model: LabelledModel, weights: str) -> CacheEntry:
        """Where the half of a model lies, or would."""
        cell = dataclasses.asdict(cell_of(task, "", weights))
        return CacheEntry.at(self.folder, task.spec.name, {**cell, "model": model.spec.name})


def _info(about: Mapping[str, Any]) -> ModelInfo:
    """JSON knows no tuples."""
    facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
    return ModelInfo(**facts)
