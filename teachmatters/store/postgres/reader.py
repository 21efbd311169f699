"""Runs untrusted SQL on a PostgreSQL server: a single reading statement with a time limit.

The statement becomes a cursor, which PostgreSQL allows only for SELECT, VALUES, TABLE, and WITH if nothing in it
writes, and runs in a read-only transaction. It is sent with the protocol that accepts one statement only. The grants of
the server decide what the user may see.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from teachmatters.errors import SqlError, TeachMattersError, listing
from teachmatters.store import public
from teachmatters.store.location import Server
from teachmatters.store.postgres import checks as postgres_checks
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.sqlite.guard import first_word
from teachmatters.store.suggestions import suggestion

if TYPE_CHECKING:
    import psycopg

FIRST, GROWTH, MOST = 10, 5, 5_000  # rows of the first fetch, the factor for each later one, and the maximum
BYTES = 4_000_000  # approximate maximum of one fetch

_READING = ("select", "with", "values", "table")
# States: the transaction cannot become writable, the statement would write, the statement cannot be a cursor.
_WRITING = ("25001", "25006", "0A000")


class ServerStream:
    """The rows of a query, one at a time. Each iteration runs the query again on the same snapshot of the store.

    Attributes:
        columns: their names.
    """

    def __init__(self, server: Server, connection: postgres.Connection, sql: str, timeout: float) -> None:
        self._server, self._connection, self._sql, self._timeout = server, connection, sql, timeout
        self._deadline = time.monotonic() + timeout
        self._cursors: list[psycopg.ServerCursor[tuple[Any, ...]]] = []
        self._begun: psycopg.ServerCursor[tuple[Any, ...]] | None = self._run()
        self.columns: list[str] = [column.name for column in self._begun.description or ()]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        cursor, self._begun = self._begun or self._run(), None
        size = FIRST
        while batch := self._fetch(cursor, size):
            yield from batch
            weight = sum(len(value) for row in batch for value in row if isinstance(value, str | bytes))
            size = max(1, min(MOST, GROWTH * size, BYTES * len(batch) // max(1, weight)))

    def _run(self) -> psycopg.ServerCursor[tuple[Any, ...]]:
        if not first_word(self._sql):
            raise SqlError("there is no SQL to run. Try: SELECT * FROM results LIMIT 5")
        if "\0" in self._sql:  # the protocol treats it as the end of the query
            raise SqlError(f"the query contains a null character. {_VIEWS}")
        cursor = self._connection.cursor(f"tm_{len(self._cursors)}", scrollable=False)
        self._cursors.append(cursor)
        try:
            with self._in_words():
                self._allow()
                cursor.execute(self._sql.encode())
        except BaseException:
            self.close()
            raise
        return cursor

    def close(self) -> None:
        """Close the connection before its cursors, which would else run a command within what is left of the time."""
        self._connection.close()
        for cursor in self._cursors:
            cursor.close()

    def _fetch(self, cursor: psycopg.ServerCursor[tuple[Any, ...]], size: int) -> list[tuple[Any, ...]]:
        with self._in_words():
            self._allow()
            return cursor.fetchmany(size)

    def _allow(self) -> None:
        """Set the remaining time before each step, because the query itself may have changed the setting."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._stopped()
        self._connection.execute(f"SET LOCAL statement_timeout = {round(1000 * left) + 1}")

    def _stopped(self) -> TeachMattersError:
        return TeachMattersError(
            f"the query was stopped after {self._timeout:g} seconds. Narrow it with WHERE or LIMIT, or raise --timeout"
        )

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except UnicodeEncodeError as error:
            raise SqlError(f"{error}. {_VIEWS}") from error
        except psycopg.Error as error:
            if error.sqlstate == "57014" and time.monotonic() >= self._deadline:
                raise self._stopped() from error
            raise _explained(self._server, self._sql, error) from error


@contextlib.contextmanager
def stream(server: Server, sql: str, *, timeout: float) -> Iterator[ServerStream]:
    """Run one SELECT on a server; see ``teachmatters.store.reader.stream``."""
    with (
        contextlib.closing(reading(server)) as connection,
        contextlib.closing(ServerStream(server, connection, sql, timeout)) as found,
    ):
        yield found


def reading(server: Server) -> postgres.Connection:
    """Return a connection in a transaction that reads a snapshot of the store; the caller closes it.

    Values have the types that SQLite returns.

    Raises:
        TeachMattersError: there is no store, or it is newer than this code.
    """
    psycopg = postgres.driver()
    connection = postgres.connect(server, _values())
    try:
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        if postgres_checks.revision_of(server, connection) is None:
            raise postgres_checks.no_store(server)
        # By default the server optimises a cursor for its first rows, and compiles code if it expects many rows.
        for setting in ("cursor_tuple_fraction = 1", "jit = off", "extra_float_digits = 1"):
            connection.execute(f"SET LOCAL {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


_VIEWS = f"The views are {listing(public.VIEWS)}"
_ONLY = "a query may only read: one SELECT, without anything that writes or changes settings"


def _explained(server: Server, sql: str, error: psycopg.Error) -> TeachMattersError:
    message = error.diag.message_primary or str(error)
    if "multiple commands" in message:
        return SqlError("a query must be exactly one statement. Run the statements one at a time")
    if error.sqlstate in _WRITING:
        return SqlError(_ONLY)
    if error.sqlstate == "42601" and first_word(sql) not in _READING:
        return SqlError(f"{_ONLY}; this one begins with {first_word(sql)!r}")
    return postgres.plain_error(server, error) or SqlError(f"{message}. {suggestion(message)}")


@cache
def _values() -> Any:
    """Return adapters that load values as SQLite does: int, float, str and bytes; booleans become 1 or 0."""
    import psycopg
    from psycopg.adapt import AdaptersMap, Loader
    from psycopg.types import numeric, string

    class Truth(Loader):
        def load(self, data: Any) -> int:
            return int(bytes(data) == b"t")

    class Exact(Loader):
        def load(self, data: Any) -> int | float:
            text = bytes(data)
            return int(text) if text.lstrip(b"-").isdigit() else float(text)

    kinds: dict[str | int, type[Loader]] = {"bool": Truth, "numeric": Exact, "bytea": string.ByteaLoader}
    kinds[0] = string.TextLoader
    kinds |= dict.fromkeys(("int2", "int4", "int8", "oid"), numeric.IntLoader)
    kinds |= dict.fromkeys(("float4", "float8"), numeric.FloatLoader)
    adapters = AdaptersMap(types=psycopg.adapters.types)
    for kind, loader in kinds.items():
        adapters.register_loader(kind, loader)
    adapters.register_dumper(str, string.StrDumper)
    adapters.register_dumper(int, numeric.IntDumper)
    return SimpleNamespace(adapters=adapters, connection=None)
