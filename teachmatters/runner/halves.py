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
from teachmatters.cache.entry import Entry
from teachmatters.cache.holding import hold
from teachmatters.cache.limit import make_room
from teachmatters.cache.location import cache_folder
from teachmatters.cache.states import load_state, save_state
from teachmatters.errors import TeachMattersError
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.measure import Bench, Gathered, Todo
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Sitting, cell_of
from teachmatters.store.location import Place

FILE = "state.safetensors"


@dataclass(frozen=True, slots=True)
class Half:
    """One model's half of a comparison; its state is read when it is needed."""

    context: Context
    sitting: Sitting
    state: Callable[[], State]


class Halves:
    """The halves that lie beside a store.

    A state is found again by everything that changes it: weights and model, the items of the data set, the analysis
    with its version and parameters, limit, seed and dtype. It must hold at least the metrics asked for.
    """

    def __init__(self, db: Place, bench: Bench) -> None:
        self.folder, self.bench = cache_folder(db), bench
        # One model against all others: its own state stays, theirs come and go.
        self.read = functools.lru_cache(maxsize=2)(load_state)

    def find(self, todo: Todo, model: LabelledModel, weights: str) -> tuple[ModelInfo, Half] | None:
        """The half of a model with these weights, and the model's shape, if a pass has left it whole."""
        entry = self.entry(todo.task, model, weights)
        hold(entry)
        try:
            holds = entry.holds() or {}
            info = _info(holds["shape"])
            enough = todo.applicable(info) <= set(holds["metrics"])
        except (KeyError, TypeError):  # never made, or not as we make it
            return None
        path = entry.path / FILE
        if not path.is_file() or not enough or not self._sound(path, entry.key):
            return None
        entry.touch()
        _, context = self.bench.start(info, todo)
        sitting = Sitting(datetime.now(UTC), self.bench.device, holds["skipped"])
        return info, Half(context, sitting, lambda: self.read(path, entry.key))

    def _sound(self, path: Path, key: str) -> bool:
        """Whether a state is as it was written; one that is not is said, and the pass to come replaces it."""
        try:
            self.read(path, key)
        except TeachMattersError:
            self.bench.listener.say(
                f"{path} is damaged, another model's or cannot be read: its model is passed over anew"
            )
            return False
        return True

    def keep(self, gathered: Gathered, model: LabelledModel, weights: str) -> Half:
        """Save what a pass has gathered; where that is impossible it lives as long as the command."""
        context, sitting, state = gathered.context, gathered.sitting, gathered.state()
        task = gathered.todo.task
        entry = self.entry(task, model, weights)
        holds = {
            "shape": dataclasses.asdict(context.model),
            "metrics": sorted(context.metrics),
            "skipped": dict(sitting.skipped),
            "pictures": len(task.keys) - len(sitting.skipped_of(task)),
        }
        try:
            make_room(self.folder, self.bench.listener.say, sum(np.asarray(value).nbytes for value in state.values()))
            entry.begin({})  # while it is being replaced, nothing is said of what it holds
            hold(entry)
            save_state(entry.path / FILE, state, entry.key)
            entry.begin(holds)
        except TeachMattersError as error:
            self.bench.listener.say(f"what this pass found is not kept for later comparisons: {error}")
            return Half(context, sitting, lambda: state)
        self.read.cache_clear()
        return Half(context, sitting, lambda: self.read(entry.path / FILE, entry.key))

    def entry(self, task: Task, model: LabelledModel, weights: str) -> Entry:
        """Where the half of a model lies, or would."""
        cell = dataclasses.asdict(cell_of(task, "", weights))
        return Entry.at(self.folder, task.spec.name, {**cell, "model": model.spec.name})


def _info(about: Mapping[str, Any]) -> ModelInfo:
    """JSON knows no tuples."""
    facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
    return ModelInfo(**facts)
