"""Opens a store for reading, without creating or changing anything or leaving files behind."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from teachmatters.store.sqlite import shape
from teachmatters.store.sqlite.files import check_readable, logs, nothing_in, plain_error, revision_of, writable

WAIT = 10.0  # seconds for another program to commit
TRIES = 5  # attempts to copy a store while another program writes to it

_RECOVERY = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT}


class Reader(sqlite3.Connection):
    """A connection that removes the files which SQLite leaves next to a store in WAL mode.

    A read-only connection makes an empty ``-wal`` and a ``-shm`` if there are none, and cannot remove them. A writable
    connection removes them on closing if it is the only one, and with an empty ``-wal`` it writes nothing.

    Attributes:
        path: the file that is read: the store, or a copy of it.
        folder: folder of the copy, None if there is none.
    """

    path: Path
    folder: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        super().close()
        wal = logs(self.path)[1]
        if wal.exists() and wal.stat().st_size == 0:
            tidy(self.path)
        if self.folder is not None:
            self.folder.cleanup()


def tidy(path: Path) -> None:
    """Let SQLite write its logs into a store and remove them, if no other program uses the store."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(_uri(path.resolve(), "rw"), uri=True)) as connection,
    ):
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()


def connect(path: Path, *, empty: bool = False, threads: bool = False, kind: type[Reader] = Reader) -> Reader:
    """Return a new read-only connection, which the caller closes.

    An unfinished transaction of a killed writer is rolled back, or completed, in a copy: the store itself is only read.

    Args:
        path: the file.
        empty: accept a database without tables.
        threads: allow use on other threads than the one that opened it.
        kind: class of the connection.

    Raises:
        TeachMattersError: the file is not a store, or newer than this code.
    """
    check_readable(path)
    connection = None
    try:
        # SQLite's logs are next to the file itself, not next to a link to it.
        connection = _open(path.resolve(), threads, kind)
        revision = revision_of(path, connection)
        if revision is not None:
            shape.check(path, connection, revision)
        elif not empty:
            raise nothing_in(path)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if reason := plain_error(path, error):
            raise reason from error
        raise
    return connection


def _open(path: Path, threads: bool, kind: type[Reader]) -> Reader:
    try:
        return _attempt(path, threads, kind)
    except sqlite3.OperationalError as error:
        if not _is_unfinished(path, error):
            raise
        try:
            with contextlib.ExitStack() as stack:
                folder = TemporaryDirectory(prefix="teachmatters-")
                stack.callback(folder.cleanup)
                connection = _attempt(_recovered(path, Path(folder.name), error), threads, kind)
                stack.pop_all()
        except OSError as full:
            raise error from full
    connection.folder = folder
    return connection


def _attempt(path: Path, threads: bool, kind: type[Reader]) -> Reader:
    connection = sqlite3.connect(
        uri(path), uri=True, timeout=WAIT, factory=kind, isolation_level=None, check_same_thread=not threads
    )
    connection.path = path
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # SQLite opens the file with the first query
    except BaseException:
        connection.close()
        raise
    return connection


def _is_unfinished(path: Path, error: sqlite3.Error) -> bool:
    """Return whether SQLite needs to recover the file before it can read it, and may not write."""
    hidden = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN and _has_log(path)
    return hidden or error.sqlite_errorcode in _RECOVERY


def _recovered(path: Path, folder: Path, error: sqlite3.Error) -> Path:
    """Return a copy of the store that SQLite has recovered.

    The logs are copied first, because they hold every page of the file that another program may be changing. A log that
    grows or vanishes meanwhile makes the copy useless; this is checked at the end.
    """
    copy = folder / path.name
    for _ in range(TRIES):
        before = [_state(log) for log in logs(path)]
        for source, target in zip((*logs(path), path), (*logs(copy), copy), strict=True):
            target.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(source, target)
        if before == [_state(log) for log in logs(path)]:
            tidy(copy)
            return copy
    raise error


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def uri(path: Path) -> str:
    """Return the URI with which SQLite opens or attaches a file for reading."""
    real = path.resolve()
    return _uri(real, _mode(real))


def _uri(path: Path, mode: str) -> str:
    return f"{path.as_uri()}?mode={mode}"


def _mode(path: Path) -> str:
    """Return the mode ``ro``, with ``immutable`` where nothing can be written, unless there is a log to read."""
    frozen = not (writable(path) and writable(path.parent)) and not _has_log(path)
    return "ro&immutable=1" if frozen else "ro"


def _has_log(path: Path) -> bool:
    return any(log.exists() and log.stat().st_size for log in logs(path))
