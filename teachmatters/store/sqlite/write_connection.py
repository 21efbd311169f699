"""SQLAlchemy on a SQLite file, with real transactions and one writer at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from teachmatters.store.public import READING
from teachmatters.store.sqlite import files

READ_WAIT = 10.0  # seconds
STEP = 0.2  # seconds between two attempts to lock; Ctrl-C cannot interrupt SQLite's own wait


def writing_engine(path: Path, patience: float, *, tables_only: bool = False) -> Engine:
    """Return an engine whose every transaction holds the write lock from its beginning.

    Args:
        path: the file.
        patience: seconds to wait for another writer.
        tables_only: for migrations: without foreign keys, so that tables may be replaced, and the journal left as it
            is.
    """
    opened = files.identity(path)

    def check_file() -> None:
        nonlocal opened
        found = files.identity(path)
        opened = opened or found
        if found != opened:
            raise files.gone(path)

    def connect() -> sqlite3.Connection:
        check_file()
        uri = f"{path.resolve().as_uri()}?mode={'rw' if opened else 'rwc'}"  # a deleted file is not created again
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=STEP)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        if not tables_only:
            connection.execute("PRAGMA foreign_keys = ON")
            with contextlib.suppress(sqlite3.OperationalError):  # a reader is active: the next connection will do it
                connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READING):
            # Reading takes no lock, but may have to wait while another process opens or closes the store.
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * READ_WAIT:.0f}")
            connection.exec_driver_sql("BEGIN")
        else:
            _patiently(connection, "BEGIN IMMEDIATE", patience)
        check_file()

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        check_file()  # a commit to a deleted file would be lost
        # Without a write-ahead log, readers delay even a transaction that changed nothing.
        _patiently(connection, "COMMIT", patience)

    return engine


def _patiently(connection: Connection, sql: str, patience: float) -> None:
    """Run SQL that needs a lock; wait as long as other writers make progress, and ``patience`` seconds if none does."""
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
    """Return a number that changes with every commit of another writer, None if a lock prevents reading it."""
    try:
        return connection.exec_driver_sql("PRAGMA data_version").scalar()
    except DBAPIError:
        return None
