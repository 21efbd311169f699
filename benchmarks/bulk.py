"""Insert runs directly into the tables in one transaction, to fill a large store in a minute."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from teachmatters.api import Result
from teachmatters.store import Run, Store
from teachmatters.store.rows import (
    array_rows,
    metric_values,
    model_values,
    number_rows,
    recorded_rows,
    run_values,
    unit_lists,
    unit_values,
)


class Tables:
    """The tables of a store that is being filled; rows that runs share are inserted once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._shared: dict[tuple[Any, ...], int] = {}

    def shared(self, table: str, values: dict[str, Any]) -> int:
        """Return the key of a row; insert it if needed."""
        content = (table, *values.values())
        if content not in self._shared:
            self._shared[content] = self.insert(table, [values])
        return self._shared[content]

    def insert(self, table: str, rows: list[dict[str, Any]]) -> int:
        """Insert rows and return the key of the last one."""
        for row in rows[:1]:
            sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            self._connection.executemany(sql, [tuple(each.values()) for each in rows])
        (key,) = self._connection.execute("SELECT last_insert_rowid()").fetchone()
        return int(key)

    def add(self, run: Run, result: Result) -> None:
        """Add a run that replaces no other."""
        model = self.shared("models", model_values(run.model))
        other = self.shared("models", model_values(run.other)) if run.other else None
        key = self.insert("run_facts", [run_values(run, model, other)])
        metrics = {s.name: self.shared("metrics", metric_values(run.cell.analysis, s)) for s in run.metrics}
        lists = {units: self.shared("unit_lists", unit_values(units)) for units in unit_lists(result)}
        self.insert("recorded", recorded_rows(run, key, metrics))
        self.insert("records", number_rows(run, key, metrics, result))
        self.insert("map_arrays", array_rows(key, lists, result))


def fill(path: Path, runs: Iterable[tuple[Run, Result]], rows: int) -> int:
    """Put runs into a new store until it has this many numbers, and return their exact number."""
    Store.open(path).close()
    done = 0
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN")
        tables = Tables(connection)
        for run, result in runs:
            tables.add(run, result)
            done += len(result.records)
            if done >= rows:
                break
        connection.execute("COMMIT")
    return done
