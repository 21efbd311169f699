"""What keeps a stranger's SQL, and a stranger's file, from doing more than reading.

``tm query``, ``tm export``, ``tm browse`` and every report read through a connection that ``harden`` has seen.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from sys import getsizeof
from typing import Any

LENGTH = 10_000_000  # bytes of one value, and of one row that is sorted
HEAP = 192 << 20  # bytes that SQLite may take in the process of a command that runs a user's SQL
KEPT = 128_000_000  # bytes of memory that the rows of a printed query may take

ONLY_READ = "a query may only read: one SELECT, without ATTACH, PRAGMA, EXPLAIN or anything that writes"

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LENGTH,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# The first loads a library, the second takes an address in memory that is then jumped to.
_FUNCTIONS = {"load_extension", "fts3_tokenizer"}
# What only SQLite counts as a space: the mark at the beginning of a UTF-8 file.
_SPACE = re.compile(r"(?:[\s\ufeff]+|--[^\n]*|/\*.*?(?:\*/|\Z)|[(;])*", re.DOTALL)


def harden(connection: sqlite3.Connection, *, pragmas: Collection[str] = ()) -> list[str]:
    """Let a connection do nothing but read, within limits; EXPLAIN is for ``refuse_explain``.

    Args:
        connection: opened to read only.
        pragmas: names of pragmas that it may ask.

    Returns:
        What was denied, filled as it happens.
    """
    # SQLite sets these up on first use, by what the authorizer would take for writing.
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
    connection.execute("PRAGMA trusted_schema = OFF")  # views and indexes call no function with side effects
    if hasattr(connection, "setconfig"):  # since Python 3.12
        for name, on in (("ENABLE_FTS3_TOKENIZER", False), ("TRUSTED_SCHEMA", False), ("DEFENSIVE", True)):
            with contextlib.suppress(sqlite3.Error):  # an SQLite that was built without it
                connection.setconfig(getattr(sqlite3, f"SQLITE_DBCONFIG_{name}"), on)
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    denied: list[str] = []
    connection.set_authorizer(_authorizer(denied, frozenset(pragmas)))
    return denied


def _authorizer(denied: list[str], pragmas: frozenset[str]) -> Callable[..., int]:
    def decide(action: int, first: str | None, second: str | None, *_rest: str | None) -> int:
        if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _FUNCTIONS:
            denied.append(str(second))
            return sqlite3.SQLITE_DENY
        if action in _ACTIONS or (action == sqlite3.SQLITE_PRAGMA and str(first).lower() in pragmas):
            return sqlite3.SQLITE_OK
        denied.append(str(first))
        return sqlite3.SQLITE_DENY

    return decide


def refuse_explain(sql: str) -> None:
    """Refuse EXPLAIN, which no authorizer sees: it shows SQLite's own program, and is no reading query.

    Raises:
        sqlite3.OperationalError: the statement begins with it.
    """
    if first_word(sql) == "explain":
        raise sqlite3.OperationalError(ONLY_READ)


def first_word(sql: str) -> str:
    """The first word of a query, in small letters, whatever comments and brackets stand before it.

    >>> first_word("-- why" + chr(10) + "(SELECT 1)"), first_word("/* nothing */ ;"), first_word("/* open")
    ('select', '', '')
    """
    start = _SPACE.match(sql)
    assert start is not None
    word = re.match(r"\w+|\S", sql[start.end() :])
    return word[0].lower() if word else ""


def limit_memory(most: int = HEAP) -> None:
    """Let SQLite take no more than so many bytes in this process, from now on: it cannot be raised again."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA hard_heap_limit = {most}")  # an SQLite before 3.31 passes over it


class GuardedCursor(sqlite3.Cursor):
    """A cursor that does not explain, and gives no more bytes at once than are kept."""

    def execute(self, sql: str, *parameters: Any) -> GuardedCursor:
        """Run a statement."""
        refuse_explain(sql)
        with _no_memory():
            return super().execute(sql, *parameters)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return list(islice(self._bounded(), self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        return list(self._bounded())

    def _bounded(self) -> Iterator[Any]:
        room = KEPT
        with _no_memory():
            while (row := self.fetchone()) is not None:
                room -= sum(map(getsizeof, row))
                if room < 0:
                    raise sqlite3.OperationalError(f"the rows take more than {KEPT / 1e6:,.0f} MB of memory")
                yield row


@contextlib.contextmanager
def _no_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise sqlite3.OperationalError("the query takes more memory than it is given") from error
