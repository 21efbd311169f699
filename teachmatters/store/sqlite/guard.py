"""Restricts a connection to reading, so that untrusted SQL and untrusted files can do no harm.

``tm query``, ``tm export``, ``tm browse`` and every report read through a connection restricted by ``harden``.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from sys import getsizeof
from typing import Any

LENGTH = 10_000_000  # maximum bytes of one value, and of one row to be sorted
HEAP = 192 << 20  # maximum bytes that SQLite may allocate in a command that runs a user's SQL
KEPT = 128_000_000  # maximum bytes of memory for the rows of a printed query

ONLY_READ = "a query may only read: one SELECT, without ATTACH, PRAGMA, EXPLAIN or anything that writes"

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LENGTH,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# The first loads a library, the second accepts a memory address that SQLite then calls.
_FUNCTIONS = {"load_extension", "fts3_tokenizer"}
# SQLite also skips the byte order mark at the beginning of a UTF-8 file.
_SPACE = re.compile(r"(?:[\s\ufeff]+|--[^\n]*|/\*.*?(?:\*/|\Z)|[(;])*", re.DOTALL)


def harden(connection: sqlite3.Connection, *, pragmas: Collection[str] = ()) -> list[str]:
    """Restrict a connection to reading within limits; EXPLAIN needs ``refuse_explain`` in addition.

    Args:
        connection: a read-only connection.
        pragmas: names of the pragmas that it may read.

    Returns:
        a list of what was denied, which grows with every denial.
    """
    # SQLite sets up these tables on first use, which the authorizer would treat as writing.
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
    connection.execute("PRAGMA trusted_schema = OFF")  # views and indexes call no function with side effects
    if hasattr(connection, "setconfig"):  # since Python 3.12
        for name, on in (("ENABLE_FTS3_TOKENIZER", False), ("TRUSTED_SCHEMA", False), ("DEFENSIVE", True)):
            with contextlib.suppress(sqlite3.Error):  # this SQLite was built without the option
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
    """Reject EXPLAIN, which the authorizer does not see and which shows SQLite's program instead of data.

    Raises:
        sqlite3.OperationalError: the statement begins with EXPLAIN.
    """
    if first_word(sql) == "explain":
        raise sqlite3.OperationalError(ONLY_READ)


def first_word(sql: str) -> str:
    """Return the first word of a query in lower case, after any comments and brackets.

    >>> first_word("-- why" + chr(10) + "(SELECT 1)"), first_word("/* nothing */ ;"), first_word("/* open")
    ('select', '', '')
    """
    start = _SPACE.match(sql)
    assert start is not None
    word = re.match(r"\w+|\S", sql[start.end() :])
    return word[0].lower() if word else ""


def limit_memory(most: int = HEAP) -> None:
    """Limit the memory of SQLite in this process; the limit cannot be raised again."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA hard_heap_limit = {most}")  # SQLite before 3.31 ignores it


class GuardedCursor(sqlite3.Cursor):
    """A cursor that rejects EXPLAIN and limits the memory of the rows that it returns at once."""

    def execute(self, sql: str, *parameters: Any) -> GuardedCursor:
        """Run a statement."""
        refuse_explain(sql)
        with _no_memory():
            return super().execute(sql, *parameters)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return list(islice(self._bounded(), self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        """Return all remaining rows."""
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
        raise sqlite3.OperationalError("the query takes more memory than it is allowed") from error
