"""The store that others are merged into, within one transaction: a file, or a database of a server."""

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
        """Return the next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """Return all remaining rows."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the remaining rows."""


class Queryable(Protocol):
    """An object that runs queries with ``?`` for values, such as a connection of sqlite3."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> QueryResult:
        """Run a query."""


class Target(Queryable, Protocol):
    """The store that is merged into."""

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows in bulk."""

    def end(self) -> None:
        """Finish, after all rows are inserted."""


class FileTarget:
    """A SQLite file.

    Attributes:
        connection: writes the file.
    """

    def __init__(self, connection: sqlite3.Connection, patience: float) -> None:
        self.connection = connection
        connection.execute(f"PRAGMA busy_timeout = {1000 * patience:.0f}")  # for a reader at the moment of the commit
        connection.execute("PRAGMA cache_size = -100000")  # kB, so that changing pages stay in memory

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> QueryResult:
        """Run a query."""
        return self.connection.execute(sql, parameters)

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows in bulk."""
        marks = ", ".join("?" * len(columns))
        self.connection.executemany(f"INSERT INTO main.{table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def end(self) -> None:
        """Do nothing: a file needs no final step."""


class ServerTarget:
    """A database of a server."""

    def __init__(self, connection: postgres.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> QueryResult:
        """Run a query."""
        return self._connection.execute(sql.replace("?", "%s").encode(), parameters or None)

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows in bulk, and move the sequence of keys past theirs."""
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)
        if "id" in columns:
            highest = f"(SELECT max(id) FROM {table})"
            self.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {highest}) WHERE {highest} > 0")

    def end(self) -> None:
        """Update the statistics of the server, which would otherwise plan queries for a small store for a while."""
        self.execute(f"ANALYZE {', '.join(Base.metadata.tables)}")


def target_of(connection: Connection, patience: float) -> FileTarget | ServerTarget:
    """Return the target of SQLAlchemy's transaction; a file waits ``patience`` seconds for its readers."""
    driver: Any = connection.connection.driver_connection
    return FileTarget(driver, patience) if isinstance(driver, sqlite3.Connection) else ServerTarget(driver)
