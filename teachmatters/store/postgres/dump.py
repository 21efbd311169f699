"""A store on a server as a file: what is merged is read from one."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters.store.backend import plain_errors
from teachmatters.store.location import Server
from teachmatters.store.migrate import WAIT, prepare
from teachmatters.store.postgres.checks import revision_of
from teachmatters.store.postgres.reader import reading
from teachmatters.store.revisions import head
from teachmatters.store.schema import Base

ROWS = 500
"""That are fetched at once: an array may have megabytes."""


def to_file(server: Server, file: Path) -> Path:
    """Make a file that holds what a server's store holds at one moment.

    Raises:
        TeachMattersError: there is no store, one of another revision, or no room for the file.
    """
    prepare(file, WAIT)
    with (
        contextlib.closing(reading(server)) as connection,
        plain_errors(server),
        plain_errors(file),
        contextlib.closing(sqlite3.connect(file)) as copied,
    ):
        if revision_of(server, connection) != head():
            raise TeachMattersError(
                f"{server} was written by an older teachmatters. 'tm db migrate --db {server}' updates it"
            )
        for table in Base.metadata.sorted_tables:
            names = ", ".join(column.name for column in table.columns)
            with connection.cursor(table.name, scrollable=False) as rows:
                rows.itersize = ROWS
                rows.execute(f"SELECT {names} FROM {table.name}".encode())
                marks = ", ".join("?" * len(table.columns))
                copied.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)
        copied.commit()
    return file
