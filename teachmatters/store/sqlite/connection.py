"""SQLAlchemy with transactions that are what they say, on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.postgres import checks as postgres_checks
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.sqlite import files
from teachmatters.store.sqlite.files import plain_error

READING = "reading"  # the execution option of transactions that need no lock

# One writer at a time of a store, until its transaction ends: what BEGIN IMMEDIATE is to a file. It is the lock of a
# table, which only a user who may write it can take: nobody who only reads can keep the writers waiting.
LOCK = "LOCK TABLE recorded IN SHARE ROW EXCLUSIVE MODE"
# Before there is a table, the makers of a store wait for each other by the schema that it will be in. 29805 is "tm".
_MAKING = f"SELECT pg_advisory_xact_lock(29805, ({postgres_checks.HOME})::int)"

READ_WAIT = 10.0  # seconds
STEP = 0.2  # seconds between two tries for a lock: SQLite's own wait does not hear Ctrl-C


def writing_engine(place: StoreLocation, patience: float, *, tables_only: bool = False) -> Engine:
    """An engine whose every transaction holds the write lock from its beginning.

    No connection outlives its transaction, so that between two runs no journal lies beside a file, and no server waits
    for hours.

    Args:
        place: the file, or the server's database.
        patience: seconds to wait for another writer.
        tables_only: for migrations of a file: without foreign keys, so that tables may be remade, and the journal left
            as it is.
    """
    if isinstance(place, Server):
        return _server_engine(place, patience)
    return _file_engine(place, patience, tables_only)


def _file_engine(path: Path, patience: float, tables_only: bool) -> Engine:
    opened = files.identity(path)

    def check_file() -> None:
        nonlocal opened
        found = files.identity(path)
        opened = opened or found
        if found != opened:
            raise files.gone(path)

    def connect() -> sqlite3.Connection:
        check_file()
        uri = f"{path.resolve().as_uri()}?mode={'rw' if opened else 'rwc'}"  # what was deleted is not made anew
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=STEP)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        if not tables_only:
            connection.execute("PRAGMA foreign_keys = ON")
            with contextlib.suppress(sqlite3.OperationalError):  # somebody is reading: the next connection will do it
                connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READING):
            # No lock, but a moment's wait where another process is just the first to come or the last to go.
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * READ_WAIT:.0f}")
            connection.exec_driver_sql("BEGIN")
        else:
            _patiently(connection, "BEGIN IMMEDIATE", patience)
        check_file()

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        check_file()  # what is committed to a file without a name is lost
        # Where the journal is not yet a write-ahead log, readers hold up even a transaction that has changed nothing.
        _patiently(connection, "COMMIT", patience)

    return engine


def _server_engine(server: Server, patience: float) -> Engine:
    postgres.driver()  # says how to get it
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: postgres.connect(server), poolclass=NullPool, use_native_hstore=False
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(postgres_checks.UNHURRIED)
        if connection.get_execution_options().get(READING):
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(1000 * patience))}")
            _lock_server(connection)

    return engine


def _lock_server(connection: Connection) -> None:
    there = "SELECT to_regclass('recorded') IS NOT NULL"
    if not connection.exec_driver_sql(there).scalar():
        connection.exec_driver_sql(_MAKING)
    if connection.exec_driver_sql(there).scalar():  # also where somebody made it meanwhile
        connection.exec_driver_sql(LOCK)


@contextlib.contextmanager
def plain_errors(place: StoreLocation) -> Iterator[None]:
    """Turn what the database complains of into a line for people; everything else passes."""
    try:
        yield
    except Exception as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        told = postgres.plain_error(place, cause) if isinstance(place, Server) else plain_error(place, cause)
        if told:
            raise told from error
        raise


def _patiently(connection: Connection, sql: str, patience: float) -> None:
    """Wait for a lock as long as it goes from one writer to the next; ``patience`` is for one who keeps it."""
    seen, deadline = None, time.monotonic() + patience
    while True:
        try:
            connection.exec_driver_sql(sql)
        except DBAPIError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            version = _version(connection)
            if version != seen:
                seen, deadline = version, time.monotonic() + patience
            elif time.monotonic() >= deadline:
                raise
        else:
            return


def _version(connection: Connection) -> object:
    """What is another after somebody else's commit, None where a lock keeps it from being asked."""
    try:
        return connection.exec_driver_sql("PRAGMA data_version").scalar()
    except DBAPIError:
        return None
