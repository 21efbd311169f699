"""States of models for comparisons, cached next to the store, so that a model runs once for all of its pairs."""

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
from teachmatters.runner.features.members import start_member
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import RunConditions
from teachmatters.runner.session.passes import AnalysisResult
from teachmatters.store.location import StoreLocation

FILE = "state.safetensors"


@dataclass(frozen=True, slots=True)
class PairState:
    """One model's side of a comparison; ``state`` reads it from disk."""

    context: Context
    conditions: RunConditions
    state: Callable[[], State]


class PairStateCache:
    """The pair states next to a store.

    The key of a state is everything that changes it: weights and model, the items of the data set, the analysis with
    its version and parameters, limit, seed and dtype. A state serves if it holds at least the requested metrics.
    """

    def __init__(self, db: StoreLocation, settings: PassSettings, say: Callable[[str], None]) -> None:
        self.folder, self.settings, self.say = cache_folder(db), settings, say
        # One model is compared with all others: its own state stays in memory, theirs are read in turn.
        self.read = functools.lru_cache(maxsize=2)(load_state)

    def find(self, pending: PendingTask, model: LabelledModel, weights: str) -> tuple[ModelInfo, PairState] | None:
        """Return the shape and the state of a model with these weights, None if the cache lacks it."""
        entry = self.entry(pending.task, model, weights)
        hold(entry)
        try:
            holds = entry.holds() or {}
            info = _info(holds["shape"])
            enough = pending.applicable(info) <= set(holds["metrics"])
        except (KeyError, TypeError):  # missing, or not written by this code
            return None
        path = entry.path / FILE
        if not path.is_file() or not enough or not self._sound(path, entry.key):
            return None
        entry.touch()
        _, context = start_member(pending, info, self.settings)
        conditions = RunConditions(datetime.now(UTC), self.settings.device, holds["skipped"])
        return info, PairState(context, conditions, lambda: self.read(path, entry.key))

    def _sound(self, path: Path, key: str) -> bool:
        """Return whether a state can be read; a damaged one is reported and replaced by the next pass."""
        try:
            self.read(path, key)
        except TeachMattersError:
            self.say(f"{path} is damaged, belongs to another model or cannot be read: its model runs again")
            return False
        return True

    def keep(self, gathered: AnalysisResult, model: LabelledModel, weights: str) -> PairState:
        """Save what a pass gathered; where that fails, keep it in memory until the command ends."""
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
            make_room(self.folder, self.say, sum(np.asarray(value).nbytes for value in state.values()))
            entry.begin({})  # while the file is replaced, the entry claims to hold nothing
            hold(entry)
            save_state(entry.path / FILE, state, entry.key)
            entry.begin(holds)
        except TeachMattersError as error:
            self.say(f"the state of {model.label} is not kept for later comparisons: {error}")
            return PairState(context, conditions, lambda: state)
        self.read.cache_clear()
        return PairState(context, conditions, lambda: self.read(entry.path / FILE, entry.key))

    def entry(self, task: Task, model: LabelledModel, weights: str) -> CacheEntry:
        """Return the cache entry of a model's state; it need not exist."""
        cell = dataclasses.asdict(task.cell("", weights))
        return CacheEntry.at(self.folder, task.spec.name, {**cell, "model": model.spec.name})


def _info(about: Mapping[str, Any]) -> ModelInfo:
    # JSON has no tuples.
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
    return ModelInfo(**fields)
