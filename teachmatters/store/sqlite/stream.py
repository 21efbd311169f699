"""Runs untrusted SQL on a file and reads its rows in batches, with a time limit that holds whatever the SQL does."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from operator import length_hint
from pathlib import Path
from typing import Any, TypeVar

from teachmatters.errors import SqlError, TeachMattersError
from teachmatters.store.sqlite import guard
from teachmatters.store.sqlite.deadline import Deadline
from teachmatters.store.sqlite.files import plain_error
from teachmatters.store.suggestions import suggestion

ROWS, BYTES, SECONDS = 1000, 4_000_000, 0.1  # a batch ends with whichever comes first
VALUE = 32  # bytes of a value without its characters, about

Batch = list[tuple[Any, ...]]
T = TypeVar("T")


class FileStream:
    """The rows of a query, one at a time. Each iteration runs the query again on the same snapshot of the store.

    Attributes:
        columns: their names.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, sql: str, timeout: float) -> None:
        """Run ``sql`` on a connection that other threads may use, and that ``close`` closes."""
        self._path, self._connection, self._sql, self._timeout = path, connection, sql, timeout
        self._deadline = Deadline(timeout, connection.interrupt)
        self._cursors: list[sqlite3.Cursor] = []
        self._denied: list[str] = []
        try:
            connection.execute("BEGIN")
            self._denied = guard.harden(connection)
            self._begun: sqlite3.Cursor | None = self._run()
        except BaseException:
            self.close()
            raise
        self.columns: list[str] = [column[0] for column in self._begun.description]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        cursor, self._begun = self._begun or self._run(), None
        while batch := self._step(lambda: _batch(cursor)):
            yield from batch

    def _run(self) -> sqlite3.Cursor:
        with self._in_words():
            guard.refuse_explain(self._sql)
        cursor = self._step(lambda: self._connection.execute(self._sql))
        if cursor.description is None:
            raise SqlError("there is no SQL to run. Try: SELECT * FROM results LIMIT 5")
        self._cursors.append(cursor)
        return cursor

    def _step(self, step: Callable[[], T]) -> T:
        with self._in_words():
            return self._deadline.run(step)

    def close(self) -> None:
        """Close all statements: an open statement would keep SQLite's files next to the store."""
        if self._deadline.lost:
            return
        self._deadline.close()
        for cursor in self._cursors:
            cursor.close()
        self._connection.close()

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise TeachMattersError(
                f"the query was stopped after {self._timeout:g} seconds. Narrow it with WHERE or LIMIT, or raise "
                "--timeout"
            ) from error
        except MemoryError as error:
            raise TeachMattersError("the query exceeds its memory limit. Select fewer or smaller values") from error
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
            raise _explained(self._path, error, self._denied) from error


def _batch(cursor: sqlite3.Cursor) -> Batch:
    rows: Batch = []
    weight, end = 0, time.monotonic() + SECONDS
    for row in cursor:
        rows.append(row)
        weight += VALUE * len(row) + sum(map(length_hint, row))  # sys.getsizeof takes five times as long
        if len(rows) >= ROWS or weight >= BYTES or time.monotonic() >= end:
            break
    return rows


def _explained(path: Path, error: Exception, denied: list[str]) -> TeachMattersError:
    text = str(error)
    # VACUUM checks the transaction before the authorizer is called.
    if denied or guard.ONLY_READ in text or "within a transaction" in text:
        return SqlError(guard.ONLY_READ)
    if "one statement" in text:
        return SqlError("a query must be exactly one statement. Run the statements one at a time")
    if "too big" in text:
        return SqlError(f"{text}: a value, or a row that is sorted, may take {guard.LENGTH // 1_000_000} MB")
    if "Could not decode" in text:
        return SqlError(f"text that is not UTF-8 cannot be decoded. CAST(... AS BLOB) reads its bytes ({text})")
    return plain_error(path, error) or SqlError(f"{text}. {suggestion(text)}")
