"""The picklable messages between the driver and its workers."""

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
SWITCHES = ("HF_HUB_OFFLINE", "THP_MEM_ALLOC_ENABLE")


def forwarded_environment() -> tuple[tuple[str, str], ...]:
    """Return the environment variables that a worker needs to find the same weights and to run as fast."""
    folders = [(name, str(Path(os.environ[name]).expanduser().absolute())) for name in FOLDERS if os.environ.get(name)]
    return (*folders, *((name, os.environ[name]) for name in SWITCHES if name in os.environ))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """A model and the settings of its passes; the same for every shard.

    Attributes:
        model: label, spec and file.
        weights: sha256 of the weights on the driver.
        device, dtype, seed, threads: the device, dtype, seed and threads of the passes.
        folder: the driver's working directory, for relative paths.
        environment: variables to set, see forwarded_environment.
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
        """Give this process the driver's environment and working directory."""
        os.environ.update(self.environment)
        if self.folder.is_dir():
            os.chdir(self.folder)
        torch.set_num_threads(self.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A range of the images of one pass.

    Attributes:
        plan: a name for the pass.
        number: the number of the shard, from 0.
        start, stop: range of the entries, in the order of ``build_schedule``.
        batch: inputs per forward pass.
    """

    plan: str
    number: int
    start: int
    stop: int
    batch: int


@dataclass(slots=True)
class ShardResult:
    """The result of a shard; members of the pass are identified by their position in it.

    Attributes:
        host: the worker's machine.
        began: when the worker started the shard, by its own clock.
        states: the states of the analyses.
        failed: the errors of members that failed.
        skipped: the images that could not be read, and why.
        seconds: each member's share of the time that the shard took.
        files: the feature files that were written to the cache, and the images in each.
        error: why the whole shard failed.
    """

    host: str
    began: datetime
    states: dict[int, State] = field(default_factory=dict)
    failed: dict[int, TeachMattersError] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    files: dict[int, list[tuple[str, Ids]]] = field(default_factory=dict)
    error: TeachMattersError | None = None


def sendable(error: BaseException) -> TeachMattersError:
    """Return an error that can be pickled: the same line, with the worker's traceback as a note."""
    copy = TeachMattersError(str(error) if isinstance(error, TeachMattersError) else words(error))
    copy.add_note("on a worker: " + "".join(traceback.format_exception(error)))
    return copy
