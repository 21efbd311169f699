"""Reading a store: never creating one, never altering one, leaving nothing behind."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

from teachmatters.errors import SqlError, TeachMattersError, listing
from teachmatters.store import public
from teachmatters.store.files import check_readable, plain_error, revision_of, writable
from teachmatters.store.location import Place, Server

WAIT = 10.0  # seconds for a writer that is just committing

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


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


class _Reader(sqlite3.Connection):
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


def connect(path: Path, *, older: bool = False, threads: bool = False) -> sqlite3.Connection:
    """A read-only connection; close it.

    Args:
        path: the file.
        older: whether a store of an older revision will do, and a database without tables.
        threads: whether another thread than the one that opened it may use it.

    Raises:
        TeachMattersError: what is there is not a store, or newer (unless allowed, older) than this code.
    """
    check_readable(path)
    real = path.resolve()  # SQLite keeps its journals beside the file itself, not beside a link to it
    connection = None
    try:
        connection = sqlite3.connect(
            uri(real),
            uri=True,
            timeout=WAIT,
            factory=_Reader,
            isolation_level=None,
            check_same_thread=not threads,
        )
        connection.path = real
        revision = revision_of(path, connection)
        if revision != public.REVISIONS[-1] and not older:
            raise TeachMattersError(
                f"{path} was written by an older teachmatters. 'tm db migrate --db {path}' updates it"
            )
    except BaseException as error:
        if connection is not None:
            connection.close()
        if reason := plain_error(path, error):
            raise reason from error
        raise
    return connection


def query(path: Place, sql: str, *, limit: int | None = None, timeout: float = 30.0) -> Rows:
    """Run a stranger's SQL: one statement that reads, for a limited time.

    Args:
        path: the store, a file or a database of a server.
        sql: one SELECT.
        limit: the most rows to return, None for all.
        timeout: seconds.

    Raises:
        TeachMattersError: the SQL is wrong, does something else than read, or takes too long.
    """
    with stream(path, sql, timeout=timeout) as found:
        rows = list(found if limit is None else islice(found, limit + 1))
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


class _FileStream:
    """The rows of a query on a file."""

    def __init__(self, path: Path, connection: sqlite3.Connection, sql: str, timeout: float) -> None:
        self._path, self._connection, self._sql, self._timeout = path, connection, sql, timeout
        connection.execute("BEGIN")
        self._deadline = time.monotonic() + timeout
        self._denied = _guard(connection, self._deadline)
        self._cursors: list[sqlite3.Cursor] = []
        self._begun: sqlite3.Cursor | None = self._run()
        self.columns: list[str] = [column[0] for column in self._begun.description]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        cursor, self._begun = self._begun or self._run(), None
        with self._in_words():
            for row in cursor:  # noqa: UP028 ('yield from' would close the cursor after its connection)
                yield row

    def _run(self) -> sqlite3.Cursor:
        with self._in_words():
            cursor = self._connection.execute(self._sql)
        if cursor.description is None:
            raise SqlError("there is no SQL to run. Try: SELECT * FROM results LIMIT 5")
        self._cursors.append(cursor)
        return cursor

    def close(self) -> None:
        """End what was not walked through to its end: an open statement would keep SQLite's files beside the store."""
        for cursor in self._cursors:
            cursor.close()

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
            interrupted = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
            if interrupted and time.monotonic() <= self._deadline:  # Ctrl-C fell into our own callback
                raise KeyboardInterrupt from error
            raise _explained(self._path, error, self._denied, self._timeout) from error


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
    return _stream_file(path, sql, timeout)


@contextlib.contextmanager
def _stream_file(path: Path, sql: str, timeout: float) -> Iterator[Stream]:
    with (
        contextlib.closing(connect(path)) as connection,
        contextlib.closing(_FileStream(path, connection, sql, timeout)) as found,
    ):
        yield found


def _guard(connection: sqlite3.Connection, deadline: float) -> list[int]:
    """Nothing but reading, and not for ever. Returns the list of actions that were denied, filled as they come."""
    # SQLite sets these up on first use, by what the authorizer would take for writing.
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 28)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
    denied: list[int] = []
    connection.set_authorizer(_authorizer(denied))
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
    return denied


def _authorizer(denied: list[int]) -> Callable[..., int]:
    def decide(action: int, _first: str | None, second: str | None, *_rest: str | None) -> int:
        loads_code = action == sqlite3.SQLITE_FUNCTION and second == "load_extension"
        if action in _ALLOWED and not loads_code:
            return sqlite3.SQLITE_OK
        denied.append(action)
        return sqlite3.SQLITE_DENY

    return decide


def _explained(path: Path, error: Exception, denied: list[int], timeout: float) -> TeachMattersError:
    if denied or "within a transaction" in str(error):  # VACUUM looks at that before anybody is asked
        return SqlError("a query may only read: one SELECT, without ATTACH, PRAGMA or anything that writes")
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return TeachMattersError(
            f"the query was stopped after {timeout:g} seconds. Narrow it with WHERE or LIMIT, or raise --timeout"
        )
    if "one statement" in str(error):
        return SqlError("a query is exactly one statement. Run the statements one at a time")
    return plain_error(path, error) or SqlError(f"{error}. The views are {listing(public.VIEWS)}")


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
