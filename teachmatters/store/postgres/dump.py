"""Copies a store on a server into a file, from which a merge reads it."""

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

ROWS = 500  # fetched at once; an array may have megabytes


def to_file(server: Server, file: Path) -> Path:
    """Write a snapshot of a server's store to a file and return its path.

    Raises:
        TeachMattersError: there is no store, it has another revision, or the disk is full.
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
