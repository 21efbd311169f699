"""The store that others are merged into, within its one transaction: a file, or a database of a server."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from teachmatters.store.schema import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from teachmatters.store.postgres import connection as postgres


class QueryResult(Protocol):
    """The rows of a query."""

    def fetchone(self) -> Any:
        """The next one, None after the last."""

    def fetchall(self) -> list[Any]:
        """All that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Each in turn."""


class Queryable(Protocol):
    """What answers queries, in which ``?`` stands for a value: a connection of sqlite3's is one."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> QueryResult:
        """Run a query."""


class Target(Queryable, Protocol):
    """What is merged into."""

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows in bulk."""

    def end(self) -> None:
        """All is there."""


class FileTarget:
    """A file.

    Attributes:
        connection: writes it.
    """

    def __init__(self, connection: sqlite3.Connection, patience: float) -> None:
        self.connection = connection
        connection.execute(f"PRAGMA busy_timeout = {1000 * patience:.0f}")  # for a reader at the moment of the commit
        connection.execute("PRAGMA cache_size = -100000")  # kB: pages still changing should not go to the disk

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> QueryResult:
        """Run a query."""
        return self.connection.execute(sql, parameters)

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows in bulk."""
        marks = ", ".join("?" * len(columns))
        self.connection.executemany(f"INSERT INTO main.{table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def end(self) -> None:
        """Nothing is left to do."""


class ServerTarget:
    """A database of a server."""

    def __init__(self, connection: postgres.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> QueryResult:
        """Run a query."""
        return self._connection.execute(sql.replace("?", "%s").encode(), parameters or None)

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows in bulk; keys that are given are not given to later rows."""
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)
        if "id" in columns:
            highest = f"(SELECT max(id) FROM {table})"
            self.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {highest}) WHERE {highest} > 0")

    def end(self) -> None:
        """Let the server count what came: it would plan reports for a small store until it gets round to it itself."""
        self.execute(f"ANALYZE {', '.join(Base.metadata.tables)}")


def target_of(connection: Connection, patience: float) -> FileTarget | ServerTarget:
    """What SQLAlchemy has a transaction on. ``patience``: seconds that a file waits for its readers."""
    driver: Any = connection.connection.driver_connection
    return FileTarget(driver, patience) if isinstance(driver, sqlite3.Connection) else ServerTarget(driver)
