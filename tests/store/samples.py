"""Runs to fill stores with."""

from __future__ import annotations

import functools
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from teachmatters.api import MetricSpec, Record, Result
from teachmatters.store import Cell, ModelRow, Run, Store, head
from teachmatters.store.location import Server, StoreLocation, plain_path  # noqa: F401 (for what start() runs)

AnyPlace = TypeVar("AnyPlace", Path, Server, StoreLocation)

START = datetime(2025, 5, 1, 12, tzinfo=UTC)

DISTANCE = MetricSpec(name="attn-distance", title="attention distance", summary="mean distance", level="head")
TOP1 = MetricSpec(
    name="knn-top1", title="k-NN", summary="top-1", unit="percent", higher_is_better=True, bounds=(0, 100)
)
CKA = MetricSpec(name="cka", title="CKA", summary="similarity", level="layer-pair", headline=False)
NORMS = MetricSpec(name="cka-norm", title="CKA of norms", summary="similarity", level="layer-pair", headline=False)
PCK = MetricSpec(name="pck-0.10", title="PCK", summary="keypoints", protocols=("paper", "official"))


def model(label: str = "dino-b16", **facts: Any) -> ModelRow:
    usual: dict[str, Any] = {
        "name": label,
        "weights": label.encode(errors="replace").hex().ljust(64, "0"),
        "family": label.partition("-")[0],
        "supervision": "none",
        "arch": "ViT-B/16",
        "patch_size": 16,
        "image_size": 224,
        "depth": 12,
        "heads": 12,
    }
    return ModelRow(label=label, **{**usual, **facts})


def run(*metrics: MetricSpec, of: ModelRow | None = None, other: ModelRow | None = None, **facts: Any) -> Run:
    """A run; ``facts`` replace fields of its cell or its own."""
    first = of or model()
    cell: dict[str, Any] = {
        "model": first.label,
        "weights": first.weights,
        "other_model": other.label if other else "",
        "other_weights": other.weights if other else "",
        "dataset": "photos",
        "split": "all",
        "fingerprint": "f" * 64,
        "analysis": "attention",
        "analysis_version": 1,
        "parameters": {},
        "limit": None,
        "seed": 0,
        "dtype": "float32",
    }
    rest: dict[str, Any] = {
        "run_id": str(uuid.uuid4()),
        "setting": "",
        "device": "cpu",
        "n_items": 12,
        "n_skipped": 0,
        "versions": {"torch": "2.9"},
        "started_at": START,
        "finished_at": START + timedelta(seconds=90),
        "seconds": 30.5,
    }
    rest.update((name, value) for name, value in facts.items() if name not in cell)
    cell.update((name, value) for name, value in facts.items() if name in cell)
    return Run(cell=Cell(**cell), model=first, other=other, metrics=metrics, **rest)


def numbers(metric: str, *values: float, **facts: Any) -> Result:
    """One number a layer."""
    records = [Record(metric=metric, layer=at, value=value, **facts) for at, value in enumerate(values, start=1)]
    return Result(records=records)


def store_at(path: AnyPlace, *runs: tuple[Run, Result]) -> AnyPlace:
    with open_store(path) as store:
        for one, result in runs:
            store.record(one, result)
    return path


def open_store(path: StoreLocation) -> Store:
    """Open a store for writing; a new file begins as a copy of an empty store, which is faster than to make it."""
    if not isinstance(path, Path) or path.exists():
        return Store.open(path)
    path.write_bytes(_empty_store(head()))
    return Store(path)


@functools.cache
def _empty_store(revision: str) -> bytes:
    """Return an empty store; ``revision`` is the head, which a test of migrations moves."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        Store.open(path).close()
        return path.read_bytes()


def rows(path: StoreLocation, sql: str) -> list[tuple[Any, ...]]:
    """The plain sqlite3 module's answer, or psycopg's: no code of ours in between."""
    if isinstance(path, Server):
        import psycopg

        with closing(psycopg.connect(path.url)) as asked:
            return asked.execute(sql.encode()).fetchall()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def beside(path: Path) -> list[str]:
    """Names of all files of the store."""
    return sorted(entry.name for entry in path.parent.iterdir() if entry.name.startswith(path.name))


def values(found: Iterable[tuple[Any, ...]]) -> set[Any]:
    return {row[0] for row in found}


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process, with all of this at hand; ``sys.argv[1:]`` are the arguments."""
    imports = "import os, signal, sqlite3, sys, time\nfrom pathlib import Path\nfrom tests.store.samples import *\n"
    words = (one.url if isinstance(one, Server) else str(one) for one in arguments)
    command = [sys.executable, "-c", imports + code, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[2])


def finish(process: subprocess.Popen[str], seconds: float = 60) -> tuple[int, str]:
    """Its exit status and what it said on standard error."""
    error = process.communicate(timeout=seconds)[1]
    return process.returncode, error
