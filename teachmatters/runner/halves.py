"""One model's halves of comparisons, kept beside the store: a model is passed over once for all pairs to come."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from teachmatters.api import Context, ModelInfo, State
from teachmatters.cache.states import load_state, save_state
from teachmatters.errors import TeachMattersError
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.measure import Bench, Gathered, Todo
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Sitting, cell_of

FOLDER = ".cache"
"""Added to the store's name."""


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

    def __init__(self, db: Path, bench: Bench) -> None:
        self.folder, self.bench = db.with_name(db.name + FOLDER), bench
        # One model against all others: its own state stays, theirs come and go.
        self.read = functools.lru_cache(maxsize=2)(load_state)

    def find(self, todo: Todo, model: LabelledModel, weights: str) -> tuple[ModelInfo, Half] | None:
        """The half of a model with these weights, and the model's shape, if a pass has left it."""
        path = self._path(todo.task, model, weights)
        try:
            about = json.loads(path.with_suffix(".json").read_text("utf-8"))
            info = _info(about["info"])
        except (OSError, ValueError, KeyError, TypeError):  # never made, or not as we make it
            return None
        if not path.is_file() or not todo.applicable(info) <= set(about["metrics"]):
            return None
        _, context = self.bench.start(info, todo)
        sitting = Sitting(datetime.now(UTC), self.bench.device, about["skipped"])
        return info, Half(context, sitting, lambda: self.read(path))

    def keep(self, gathered: Gathered, model: LabelledModel, weights: str) -> Half:
        """Save what a pass has gathered; where that is impossible it lives as long as the command."""
        context, sitting, state = gathered.context, gathered.sitting, gathered.analysis.state()
        path = self._path(gathered.todo.task, model, weights)
        about = {
            "info": dataclasses.asdict(context.model),
            "metrics": sorted(context.metrics),
            "skipped": dict(sitting.skipped),
        }
        try:
            self.folder.mkdir(exist_ok=True)
            save_state(path, state)
            _replace(path.with_suffix(".json"), json.dumps(about))
        except (OSError, TeachMattersError) as error:
            self.bench.listener.say(f"{self.folder} cannot be written, so passes are not kept: {error}")
            return Half(context, sitting, lambda: state)
        self.read.cache_clear()
        return Half(context, sitting, lambda: self.read(path))

    def _path(self, task: Task, model: LabelledModel, weights: str) -> Path:
        cell = dataclasses.asdict(cell_of(task, "", weights))
        key = json.dumps({**cell, "model": model.spec.name}, sort_keys=True, default=str)
        return self.folder / f"{task.spec.name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"


def _info(about: Mapping[str, Any]) -> ModelInfo:
    """JSON knows no tuples."""
    facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
    return ModelInfo(**facts)


def _replace(path: Path, text: str) -> None:
    """Nobody ever sees half of a file."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 (one call, atomic)
