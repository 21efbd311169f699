"""Opens and checks the stores that are merged into another; they are never changed."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.migrate import migrate
from teachmatters.store.postgres.dump import to_file
from teachmatters.store.revisions import head
from teachmatters.store.sqlite import files
from teachmatters.store.sqlite.deadline import hearing
from teachmatters.store.sqlite.read_connection import connect, uri
from teachmatters.store.values import check_tables

WRONG_KEYS = "its rows are inconsistent"


@dataclass(frozen=True, slots=True)
class Source:
    """A snapshot of a store.

    Attributes:
        path: the store as the user named it.
        connection: reads the store, or an up-to-date copy of it in a file.
        uri: URI with which SQLite attaches the same file for reading.
        runs: finishing time, id and key of each run, oldest first.
    """

    path: StoreLocation
    connection: sqlite3.Connection
    uri: str
    runs: tuple[tuple[str, str, int], ...]


@contextlib.contextmanager
def opened(path: StoreLocation) -> Iterator[Source]:
    """Open and check a store to be merged. A store of an older revision is copied, and the copy is migrated.

    A store on a server is copied into a file as well.

    Raises:
        TeachMattersError: it is not a store, empty, damaged, or newer than this code.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if isinstance(path, Server):
            with files.named_by(""):
                file = to_file(path, folder / "results.db")
            connection = stack.enter_context(contextlib.closing(connect(file)))
            yield Source(path, connection, uri(file), _runs(path, connection))
            return
        with files.named_by(""):
            connection = stack.enter_context(contextlib.closing(connect(path, empty=True)))
            found = files.revision_of(path, connection)
        if found is None:
            raise TeachMattersError(f"{path} is empty. Leave it out")
        if found != head():
            connection = stack.enter_context(contextlib.closing(connect(_updated(path, connection, folder))))
        runs = _runs(path, connection)
        yield Source(path, connection, uri(connection.path), runs)


def _updated(path: Path, connection: sqlite3.Connection, folder: Path) -> Path:
    copied = folder / path.name
    try:
        with contextlib.closing(sqlite3.connect(copied)) as empty:
            connection.backup(empty)
        migrate(copied)
    except (TeachMattersError, sqlite3.Error) as error:
        raise TeachMattersError(
            f"{path} was written by an older teachmatters, and a copy of it in {folder.parent} could not be brought up "
            f"to date: {error}"
        ) from error
    return copied


def _runs(path: StoreLocation, connection: sqlite3.Connection) -> tuple[tuple[str, str, int], ...]:
    """Check the store and return its runs by age; any error found later is therefore an error of the target."""
    fits: object = ""
    try:
        connection.execute("BEGIN")  # every query sees the store of this moment
        with hearing(connection), files.named_by(""):
            (fits,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            fits = fits if connection.execute("PRAGMA foreign_key_check").fetchone() is None else WRONG_KEYS
            if fits == "ok":
                check_tables(path, connection, head())
        if fits == "ok":
            return tuple(connection.execute("SELECT finished_at, run_id, id FROM run_facts ORDER BY 1, 2"))
    except sqlite3.Error as error:
        if isinstance(path, Path) and (reason := files.plain_error(path, error)):
            raise reason from error
        fits = error
    raise TeachMattersError(f"{path} is damaged ({fits}). Restore a backup, or leave it out")
