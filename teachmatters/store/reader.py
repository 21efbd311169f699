"""Reading a store: never creating one, never altering one, leaving nothing behind."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from sys import getsizeof
from typing import Any, Protocol

from teachmatters.errors import TeachMattersError
from teachmatters.store.file_stream import FileStream
from teachmatters.store.files import check_readable, plain_error, revision_of, writable
from teachmatters.store.location import Place, Server

WAIT = 10.0  # seconds for a writer that is just committing


@dataclass(slots=True)
class Rows:
    """What a query gave: ``truncated`` when there were more rows than asked for."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated: bool

    def distinct(self, names: Iterable[str]) -> list[tuple[Any, ...]]:
        """Distinct values of some columns in order of appearance.

        >>> Rows(["a", "b"], [(1, 2), (1, 3), (1, 2)], truncated=False).distinct(["b"])
        [(2,), (3,)]
        """
        places = [self.columns.index(name) for name in names]
        if len(places) == 1:
            return [(value,) for value in dict.fromkeys(map(itemgetter(*places), self.rows))]
        return list(dict.fromkeys(map(itemgetter(*places), self.rows)))


class Reader(sqlite3.Connection):
    """A connection that takes away what SQLite leaves beside a WAL file read by it.

    A read-only connection makes an empty ``-wal`` and a ``-shm`` when there are none, and may not remove them. One that
    may write removes them on closing if nobody else is there, and with an empty ``-wal`` it writes nothing.
    """

    path: Path

    def close(self) -> None:
        super().close()
        wal = self.path.with_name(self.path.name + "-wal")
        if wal.exists() and wal.stat().st_size == 0:
            tidy(self.path)


def tidy(path: Path) -> None:
    """Let SQLite take away its files beside a store, and what was committed into them in, if nobody else is there."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(_uri(path.resolve(), "rw"), uri=True)) as connection,
    ):
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()


def connect(path: Path, *, empty: bool = False, threads: bool = False, kind: type[Reader] = Reader) -> Reader:
    """A read-only connection; close it.

    Args:
        path: the file.
        empty: whether a database without tables will do.
        threads: whether another thread than the one that opened it may use it.
        kind: the class of the connection.

    Raises:
        TeachMattersError: what is there is not a store, or newer than this code.
    """
    check_readable(path)
    real = path.resolve()  # SQLite keeps its journals beside the file itself, not beside a link to it
    connection = None
    try:
        connection = sqlite3.connect(
            uri(real),
            uri=True,
            timeout=WAIT,
            factory=kind,
            isolation_level=None,
            check_same_thread=not threads,
        )
        connection.path = real
        if revision_of(path, connection) is None and not empty:
            raise TeachMattersError(f"{path} is empty. 'tm analyze --db {path} ...' fills it")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if reason := plain_error(path, error):
            raise reason from error
        raise
    return connection


def query(path: Place, sql: str, *, limit: int | None = None, timeout: float = 30.0, most: float = math.inf) -> Rows:
    """Run a stranger's SQL: one statement that reads, for a limited time.

    Args:
        path: the store, a file or a database of a server.
        sql: one SELECT.
        limit: the most rows to return, None for all.
        timeout: seconds.
        most: bytes of memory that the rows may take.

    Raises:
        TeachMattersError: the SQL is wrong, does something else than read, or takes too long or too much.
    """
    with stream(path, sql, timeout=timeout) as found:
        rows: list[tuple[Any, ...]] = []
        room = most
        for row in found if limit is None else islice(found, limit + 1):
            rows.append(row)
            if most < math.inf and (room := room - sum(map(getsizeof, row))) < 0:
                raise TeachMattersError(
                    f"the first {len(rows):,} rows take more than {most / 1e6:,.0f} MB of memory. Ask for fewer rows "
                    "or columns, or let 'tm export --query SQL --out FILE' write them to a file"
                )
        truncated = limit is not None and len(rows) > limit
        return Rows(found.columns, rows[:limit], truncated)


class Stream(Protocol):
    """The rows of a query, one at a time. Every walk through them runs the query anew, on the store of one moment.

    Attributes:
        columns: their names.
    """

    columns: list[str]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Walk through the rows."""


def stream(path: Place, sql: str, *, timeout: float) -> contextlib.AbstractContextManager[Stream]:
    """The same guard as ``query``, for more rows than fit into memory.

    Args:
        path: the store.
        sql: one SELECT.
        timeout: seconds until the last row.

    Raises:
        TeachMattersError: as ``query``, here or while the rows are walked through.
    """
    if timeout <= 0:
        raise TeachMattersError(f"a timeout of {timeout:g} seconds leaves no time. Give more than 0")
    if isinstance(path, Server):
        from teachmatters.store import postgres_reader

        return postgres_reader.stream(path, sql, timeout=timeout)
    return contextlib.closing(FileStream(path, connect(path, threads=True), sql, timeout))


def uri(path: Path) -> str:
    """By which SQLite opens, or attaches, a file to read only."""
    real = path.resolve()
    return _uri(real, _mode(real))


def _uri(path: Path, mode: str) -> str:
    return f"{path.as_uri()}?mode={mode}"


def _mode(path: Path) -> str:
    """``ro``; nothing is locked or made where nothing can be, unless a writer's log is waiting to be read."""
    wal = path.with_name(path.name + "-wal")
    frozen = not (writable(path) and writable(path.parent)) and not (wal.exists() and wal.stat().st_size)
    return "ro&immutable=1" if frozen else "ro"
