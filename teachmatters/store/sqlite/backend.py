"""A store in a SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store.sqlite import files
from teachmatters.store.sqlite.read_connection import connect
from teachmatters.store.sqlite.stream import FileStream

if TYPE_CHECKING:
    from sqlalchemy import Engine


class SQLiteBackend:
    """See :class:`teachmatters.store.backend.Backend`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self.path.exists()

    def check_readable(self) -> None:
        """Check that the file can be a store."""
        files.check_readable(self.path)

    def check_writable(self) -> None:
        """Check that a store can be written or made."""
        files.check_writable(self.path)
        if self.path.exists():
            self.revision()

    def check_mergeable(self) -> None:
        """Accept every file: a user who may write a file may merge into it."""

    def revision(self) -> str | None:
        """Return the revision of the store."""
        if self.path.is_file() and self.path.stat().st_size == 0:
            return None
        with contextlib.closing(connect(self.path, empty=True)) as connection:
            return files.revision_of(self.path, connection)

    def writing_engine(self, patience: float, *, tables_only: bool = False) -> Engine:
        """Return an engine that writes the file."""
        from teachmatters.store.sqlite.write_connection import writing_engine

        return writing_engine(self.path, patience, tables_only=tables_only)

    def reading_engine(self) -> Engine:
        """Return an engine that reads the file."""
        from sqlalchemy import NullPool, create_engine

        connect(self.path).close()
        return create_engine("sqlite://", creator=lambda: connect(self.path), poolclass=NullPool)

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """Recover what a killed program left, and remove a new file if it stays empty."""
        new = not self.path.exists()
        try:
            files.recover(self.path)
        except sqlite3.Error as error:
            raise self.plain_error(error) or error from error
        try:
            yield
        except BaseException:
            if new and self.path.exists() and self.path.stat().st_size == 0:
                self.path.unlink()
            raise

    def stream(self, sql: str, timeout: float) -> contextlib.AbstractContextManager[FileStream]:
        """Run one SELECT."""
        return contextlib.closing(FileStream(self.path, connect(self.path, threads=True), sql, timeout))

    def info(self, counts: dict[str, str]) -> dict[str, Any]:
        """Return path, size, revision, journal mode and counts."""
        with contextlib.closing(connect(self.path, empty=True)) as connection:

            def one(sql: str) -> Any:
                return connection.execute(sql).fetchone()[0]

            found = files.revision_of(self.path, connection)
            return {
                "path": str(self.path),
                "bytes": self.path.stat().st_size,
                "revision": found,
                "journal_mode": one("PRAGMA journal_mode"),
                **{name: one(sql) if found else 0 for name, sql in counts.items()},
            }

    def compact(self) -> tuple[int, int]:
        """Rewrite the file without gaps."""
        from teachmatters.store.sqlite.compact import compact

        self.check_readable()
        self.check_writable()
        return compact(self.path)

    def plain_error(self, error: BaseException | None) -> TeachMattersError | None:
        """Return SQLite's error as one line."""
        return files.plain_error(self.path, error)
