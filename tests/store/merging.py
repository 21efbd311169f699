"""Stores to merge, and helpers to compare merged ones."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from teachmatters.api import Record, Result, StoredMap
from teachmatters.api.progress import NoProgress
from teachmatters.store import Run
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.merge.merge import Merged, merge
from tests.store.samples import CKA, DISTANCE, PCK, START, TOP1, model, numbers, run

One = tuple[Run, Result]


class Counted(NoProgress):
    """Every file comes to its end."""

    def __init__(self) -> None:
        self.files: list[list[Any]] = []

    def begin(self, label: str, total: int) -> None:
        self.files.append([label, total, 0])

    def advance(self, count: int) -> None:
        self.files[-1][2] += count


def join(into: StoreLocation, *paths: StoreLocation) -> dict[str, Merged]:
    return {one.path.name: one for one in merge(paths, into, NoProgress())}


def at(minutes: float) -> dict[str, Any]:
    return {"started_at": START, "finished_at": START + timedelta(minutes=minutes)}


def result(metric: str, seed: int, units: Sequence[str] = ("a", "b", "c")) -> Result:
    """Numbers, heads, and scores of units."""
    generator = np.random.default_rng(seed)
    records = [
        Record(metric=metric, layer=layer, head=head, value=float(generator.normal()), std=0.5 * head or None, n=head)
        for layer in (1, 2, 3)
        for head in (0, 1, 2)
    ]
    maps = [
        StoredMap(name=f"unit:{metric}", layer=layer, axes=("unit",), array=generator.normal(size=len(units)),
                  units=tuple(units))
        for layer in (1, 2)
    ]  # fmt: skip
    return Result(records=records, maps=[*maps, StoredMap(name="m", layer=1, axes=("y",), array=generator.random(4))])


def study() -> list[One]:
    """Two dozen runs: several metrics, pairs, settings, protocols, and cells that were measured more than once."""
    found: list[One] = []
    for nth, (label, data) in enumerate(itertools.product(("dino-b16", "mae-b16", "clip-b16"), ("photos", "coco"))):
        units = [f"{data}/{number}" for number in range(5)]
        of = model(label)
        found.append((run(DISTANCE, TOP1, of=of, dataset=data, **at(nth)), result("attn-distance", nth, units)))
        found.append((run(TOP1, of=of, dataset=data, **at(20 - nth)), result("knn-top1", nth + 50, units)))
        again = run(DISTANCE, of=of, dataset=data, git_commit="abc", device="cuda", **at(nth + 0.5))
        found.append((again, result("attn-distance", nth + 100, units)))
        pair = run(CKA, of=model("clip-b16"), other=of, dataset=data, analysis="cka", **at(nth))
        found.append((pair, numbers("cka", nth, nth / 3, other_layer=2)))
    found.append((run(PCK, setting="limit=2", limit=2, **at(1)), numbers("pck-0.10", 1, 2, protocol="official")))
    return found


VIEWS = ("results", "all_results", "runs", "maps")


def frame(path: StoreLocation, view: str) -> pd.DataFrame:
    if isinstance(path, Server):
        import psycopg

        with closing(psycopg.connect(path.url)) as asked:
            cursor = asked.execute(f"SELECT * FROM {view}".encode())
            names = [column.name for column in cursor.description or ()]
            return pd.DataFrame(cursor.fetchall(), columns=names)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return pd.read_sql(f"SELECT * FROM {view}", connection)


def ordered(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, table.astype(object).where(table.notna(), None).to_numpy().tolist()), key=repr)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())
