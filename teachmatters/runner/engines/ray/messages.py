"""What goes to a worker and what comes back, all of it picklable."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import torch

from teachmatters.api import State
from teachmatters.cache.features import Ids
from teachmatters.errors import TeachMattersError
from teachmatters.registry.references import words
from teachmatters.runner.plan.models import LabelledModel

FOLDERS = ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME")
SWITCHES = ("HF_HUB_OFFLINE",)


def forwarded_environment() -> tuple[tuple[str, str], ...]:
    """Variables that a worker needs to find the weights that were found here."""
    folders = [(name, str(Path(os.environ[name]).expanduser().absolute())) for name in FOLDERS if os.environ.get(name)]
    return (*folders, *((name, os.environ[name]) for name in SWITCHES if name in os.environ))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """A model, and how it is to be run; the same for every part.

    Attributes:
        model: label, spec and file.
        weights: their sha256 where the command was given.
        device, dtype, seed, threads: of the passes.
        folder: where the command was given, for relative paths.
        environment: variables, see forwarded_environment.
    """

    model: LabelledModel
    weights: str
    device: str
    dtype: torch.dtype
    seed: int
    threads: int
    folder: Path
    environment: tuple[tuple[str, str], ...]

    def enter(self) -> None:
        """Make this process work as if the command had been given here."""
        os.environ.update(self.environment)
        if self.folder.is_dir():
            os.chdir(self.folder)
        torch.set_num_threads(self.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Some images of one pass.

    Attributes:
        plan: a name for the pass.
        number: of the part, from 0.
        start, stop: of the entries, in the order of ``build_schedule``.
        batch: inputs at a time.
    """

    plan: str
    number: int
    start: int
    stop: int
    batch: int


@dataclass(slots=True)
class ShardResult:
    """What a worker brings back; who takes part in a pass is known by the place in it.

    Attributes:
        host: the worker's machine.
        began: when it took the part up, by its own clock.
        states: of the analyses.
        failed: who broke off, and why.
        skipped: images that could not be read, and why.
        seconds: what each answers for of the time that the part took.
        shards: the files that went to the cache, and the images in each.
        error: why the whole part broke off.
    """

    host: str
    began: datetime
    states: dict[int, State] = field(default_factory=dict)
    failed: dict[int, TeachMattersError] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    shards: dict[int, list[tuple[str, Ids]]] = field(default_factory=dict)
    error: TeachMattersError | None = None


def sendable(error: BaseException) -> TeachMattersError:
    """An error that survives the way back, whoever's it was: the same line, with the traceback as a note."""
    one = TeachMattersError(str(error) if isinstance(error, TeachMattersError) else words(error))
    one.add_note("on a worker: " + "".join(traceback.format_exception(error)))
    return one
