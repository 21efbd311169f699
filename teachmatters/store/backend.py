"""The operations of a store on its database, SQLite or PostgreSQL; only ``backend_of`` chooses between the two."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import Server, StoreLocation

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Stream(Protocol):
    """The rows of a query, one at a time. Each iteration runs the query again on a snapshot of the store.

    Attributes:
        columns: their names.
    """

    columns: list[str]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the rows."""


class Backend(Protocol):
    """The operations of a store that depend on its database."""

    def exists(self) -> bool:
        """Return whether there is a store.

        Raises:
            TeachMattersError: the database cannot be reached.
        """

    def check_readable(self) -> None:
        """Check that there is something that can be a store.

        Raises:
            TeachMattersError: what is there cannot be read as a store.
        """

    def check_writable(self) -> None:
        """Check, before anything is written, that a store can be written or made here.

        Raises:
            TeachMattersError: the file or database cannot be written, is not a store, or is newer than this code.
        """

    def check_mergeable(self) -> None:
        """Check that other stores may be merged into this one.

        Raises:
            TeachMattersError: the user lacks the right.
        """

    def revision(self) -> str | None:
        """Return the revision of the store, None for an empty file or database.

        Raises:
            TeachMattersError: not a store, or newer than this code.
        """

    def writing_engine(self, patience: float, *, tables_only: bool = False) -> Engine:
        """Return an engine whose every transaction holds the write lock from its beginning.

        Each connection ends with its transaction, so that between two runs no journal is next to a file, and no server
        keeps an idle connection for hours.

        Args:
            patience: seconds to wait for another writer.
            tables_only: for migrations: without foreign keys, and the journal left as it is.
        """

    def reading_engine(self) -> Engine:
        """Return an engine that only reads: it creates, changes and leaves nothing.

        Raises:
            TeachMattersError: not a store, or newer than this code.
        """

    def making(self) -> contextlib.AbstractContextManager[None]:
        """Surround the transaction that makes or migrates a store; if it fails, no empty new file remains."""

    def stream(self, sql: str, timeout: float) -> contextlib.AbstractContextManager[Stream]:
        """Run one SELECT for at most ``timeout`` seconds."""

    def info(self, counts: dict[str, str]) -> dict[str, Any]:
        """Return path, size, revision and the results of these counting queries."""

    def compact(self) -> tuple[int, int]:
        """Make the store as small as possible, and return its bytes before and after.

        Raises:
            TeachMattersError: the store is in use, not writable or not a file, or the disk is full.
        """

    def plain_error(self, error: BaseException | None) -> TeachMattersError | None:
        """Return an error of the database as one line for users, None for a bug in this package."""


def backend_of(location: StoreLocation) -> Backend:
    """Return the backend of a store."""
    if isinstance(location, Server):
        from teachmatters.store.postgres.backend import PostgresBackend

        return PostgresBackend(location)
    from teachmatters.store.sqlite.backend import SQLiteBackend

    return SQLiteBackend(location)


@contextlib.contextmanager
def plain_errors(location: StoreLocation) -> Iterator[None]:
    """Turn errors of the database into one line for users; other errors are not changed."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except Exception as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if reason := backend_of(location).plain_error(cause):
            raise reason from error
        raise
