"""Requests to ``tm analyze`` and their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import StoreLocation

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """The engine that runs the forward passes.

    Attributes:
        name: ``local``, this process, or ``ray``, the workers of a Ray cluster.
        address: the address of a running cluster, ``auto`` or ``HOST:PORT``; None: start Ray on this machine.
        shards: number of shards of a pass; None: as many as can run at once.
    """

    name: str = "local"
    address: str | None = None
    shards: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeRequest:
    """The arguments of one analyze command.

    Attributes:
        models: ``[LABEL=]NAME`` or a pattern, at least one.
        metrics: analyses, metrics or suites, at least one.
        data: data sets; empty: the default of each analysis; ``paper``: the paper's.
        data_root: folder of the data sets, or of the data set itself; None: TM_DATA.
        weights: ``[LABEL=]FILE``; a pattern of files is a series of checkpoints.
        supervision: ``[LABEL=]TEXT``, how a model was trained.
        label_seed: training seed of the weights, which becomes part of the label; None: not part of it.
        db: the store to write.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``.
        dtype: the dtype of the forward pass.
        batch_size: inputs per forward pass; None: chosen by the size of the model.
        limit: the first N units of each data set.
        parameters: ``NAME=VALUE``.
        seed: for everything random.
        force: measure again what the store already holds.
        engine: runs the forward passes.
    """

    models: Sequence[str]
    metrics: Sequence[str]
    db: StoreLocation
    data: Sequence[str] = ()
    data_root: Path | None = None
    weights: Sequence[str] = ()
    supervision: Sequence[str] = ()
    label_seed: int | None = None
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
    """The outcome of one analysis of one model (or pair) on one data set.

    Attributes:
        model, other: labels; other only for a pair.
        dataset, analysis, setting, metrics: the data set, analysis, setting and metrics of the cell.
        status: ``done``, ``reused`` or ``failed``.
        error: the reason of a failure.
        items, skipped: number of images that were used, and that could not be read.
        seconds: duration of the measurement.
        notes: remarks of the analysis, which are shown once.
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
        """Return whether the task is complete: a ``reused`` outcome only lists what the store already held."""
        return self.status != "reused"

    @property
    def reason(self) -> str:
        """Return the reason of a failure, in one line."""
        if self.error is None or isinstance(self.error, TeachMattersError):
            return str(self.error or "")
        return " ".join(f"{type(self.error).__name__}: {self.error}".split())
