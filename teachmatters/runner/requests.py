"""What the user asked ``tm analyze`` for, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import StoreLocation

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """Who is to make the forward passes.

    Attributes:
        name: ``local``, this process, or ``ray``, the workers of a Ray cluster.
        address: of a running cluster, ``auto`` or ``HOST:PORT``; None: a Ray of its own on this machine.
        shards: into how many parts the images of a pass are cut; None: as many as can be worked on at once.
    """

    name: str = "local"
    address: str | None = None
    shards: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeRequest:
    """One analyze command.

    Attributes:
        models: ``[LABEL=]NAME`` or a pattern, at least one.
        metrics: analyses, metrics or suites, at least one.
        data: data sets; empty: the default of each analysis; ``paper``: the paper's.
        data_root: where the data sets lie, or the data set itself; None: TM_DATA.
        weights: ``[LABEL=]FILE``.
        supervision: ``[LABEL=]TEXT``, how a model was trained.
        db: the store to write.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``.
        dtype: of the forward pass.
        batch_size: inputs a forward pass; None: chosen by the model's size.
        limit: the first N units of each data set.
        parameters: ``NAME=VALUE``.
        seed: for whatever is random.
        force: measure again what the store already holds.
        engine: who makes the forward passes.
    """

    models: Sequence[str]
    metrics: Sequence[str]
    db: StoreLocation
    data: Sequence[str] = ()
    data_root: Path | None = None
    weights: Sequence[str] = ()
    supervision: Sequence[str] = ()
    device: str = "auto"
    dtype: Dtype = "float32"
    batch_size: int | None = None
    limit: int | None = None
    parameters: Sequence[str] = ()
    seed: int = 0
    force: bool = False
    engine: EngineRequest = field(default_factory=EngineRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one analysis of one model (or pair) on one data set ended.

    Attributes:
        model, other: labels; other only for a pair.
        dataset, analysis, setting, metrics: of the cell.
        status: ``done``, ``reused`` or ``failed``.
        error: why it failed.
        items, skipped: images that were used, and that could not be read.
        seconds: that the measurement took.
        notes: what is to be said once about it.
    """

    model: str
    status: Literal["done", "reused", "failed"]
    dataset: str = ""
    analysis: str = ""
    other: str = ""
    setting: str = ""
    metrics: frozenset[str] = frozenset()
    items: int = 0
    skipped: int = 0
    seconds: float = 0.0
    notes: dict[str, object] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether this was the task's end, not what was there before it."""
        return self.status != "reused"

    @property
    def reason(self) -> str:
        """Why it failed, in a line."""
        if self.error is None or isinstance(self.error, TeachMattersError):
            return str(self.error or "")
        return " ".join(f"{type(self.error).__name__}: {self.error}".split())


class Progress(Protocol):
    """Who is told what goes on: the command line shows it, a notebook need not."""

    def say(self, text: str) -> None:
        """A sentence worth reading now."""

    def begin(self, label: str, total: int) -> None:
        """A pass over ``total`` images begins."""

    def advance(self, count: int) -> None:
        """So many more images are done."""

    def finish(self) -> None:
        """The pass is over, well or not."""


class NoProgress:
    """A Progress that does not care."""

    def say(self, text: str) -> None: ...

    def begin(self, label: str, total: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def finish(self) -> None: ...
