"""SQLAlchemy on SQLite with transactions that are what they say."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from teachmatters.store.files import plain_error

READING = "reading"  # the execution option of transactions that need no lock

STEP = 0.5  # seconds between two tries for the lock: SQLite's own wait does not hear Ctrl-C


def writing_engine(path: Path, patience: float, *, tables_only: bool = False) -> Engine:
    """An engine whose every transaction holds the write lock from its beginning.

    No connection outlives its transaction, so that between two runs no journal lies beside the file.

    Args:
        path: the file.
        patience: seconds to wait for another writer.
        tables_only: for migrations: without foreign keys, so that tables may be remade, and the journal left as it is.
    """
    url = URL.create("sqlite", database=str(path.absolute()))
    how = {"isolation_level": None, "timeout": STEP, "uri": True}  # a URI is what other files are attached by
    engine = create_engine(url, poolclass=NullPool, connect_args=how)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        if not tables_only:
            connection.execute("PRAGMA foreign_keys = ON")
            with contextlib.suppress(sqlite3.OperationalError):  # somebody is reading: the next connection will do it
                connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READING):
            connection.exec_driver_sql("BEGIN")
        else:
            _lock(connection, time.monotonic() + patience)

    return engine


@contextlib.contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite complains of into a line for people; everything else passes."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if reason := plain_error(path, cause):
            raise reason from error
        raise


def _lock(connection: Connection, deadline: float) -> None:
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except DBAPIError as error:
            busy = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
        else:
            return
