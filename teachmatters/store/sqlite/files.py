"""Checks files that may be a store, without opening them; every problem becomes a one-line error.

Only SQLite can read a file together with its logs (read_connection.py). Moreover, closing a file would release every
lock of this process on it, including those of its other connections.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters.store import public
from teachmatters.store.revisions import known_revision

SMALLEST = 512  # bytes; SQLite treats a shorter file as empty and would overwrite it

_REASONS = {
    **dict.fromkeys(
        (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT),
        "was left half-written by a program that was killed. 'tm db migrate' repairs it",
    ),
    sqlite3.SQLITE_BUSY: "is locked by another program. Wait for it to finish, or name another file with --db",
    sqlite3.SQLITE_LOCKED: "is locked by another program. Wait for it to finish, or name another file with --db",
    sqlite3.SQLITE_FULL: "could not be written: the disk is full. Nothing of this run was stored; free space and retry",
    sqlite3.SQLITE_IOERR: "could not be written or read: the disk is full or failing. Nothing of this run was stored",
    sqlite3.SQLITE_READONLY: "cannot be written by you. Change its permissions, or name another file with --db",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Check the permissions of the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be opened. Check the permissions of the file and its folder",
    sqlite3.SQLITE_CORRUPT: "is damaged. Restore a backup, or name another file with --db",
    sqlite3.SQLITE_NOTADB: "is not a SQLite file. Name a results store, or a new file, with --db",
}


def plain_error(path: Path, error: BaseException | None) -> TeachMattersError | None:
    """Return an error of SQLite as one line for users, None for a bug in this package."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_CANTOPEN and not path.exists():
        return gone(path)
    reason = _REASONS.get(code) or _REASONS.get(code & 0xFF)  # the low byte is the primary code
    return None if reason is None else TeachMattersError(f"{path} {reason}")


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode, which identify a file whatever its name; None if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def gone(path: Path) -> TeachMattersError:
    """Return the error for a file that was deleted or replaced while the command ran."""
    happened = "replaced by another file" if path.exists() else "deleted"
    return TeachMattersError(
        f"{path} was {happened} while the command ran. Nothing more was stored; run the command again"
    )


@contextlib.contextmanager
def named_by(option: str) -> Iterator[None]:
    """Replace ``--db`` in messages by the option that named the file, such as ``--into``; empty if none did."""
    try:
        yield
    except TeachMattersError as error:
        message = str(error) if option else str(error).replace(", with --db", "")
        raise TeachMattersError(message.replace(" with --db", f" with {option}" if option else "")) from error


def check_readable(path: Path) -> None:
    """Check that a file can be a store.

    Raises:
        TeachMattersError: there is no file, or it is a folder, not readable, empty or not SQLite.
    """
    if not path.exists():
        raise TeachMattersError(f"there is no results store at {path}. 'tm analyze --db {path} ...' creates one")
    _check_kind(path)
    if path.stat().st_size == 0:
        raise nothing_in(path)


def nothing_in(path: Path) -> TeachMattersError:
    """Return the error for an empty file."""
    return TeachMattersError(f"{path} is empty. 'tm analyze --db {path} ...' fills it")


def check_writable(path: Path) -> None:
    """Check that a store can be written or made at a path.

    Raises:
        TeachMattersError: the path is a folder, read-only or not SQLite, or its folder does not exist or is read-only.
    """
    if not path.parent.is_dir():
        raise TeachMattersError(f"the folder {path.parent} does not exist. Create it, or name another file with --db")
    if path.exists():
        _check_kind(path)
        if not writable(path):
            raise TeachMattersError(f"{path} is read-only. 'chmod u+w {path}', or name another file with --db")
    if not writable(path.resolve().parent):  # SQLite keeps a journal next to the file
        raise TeachMattersError(f"the folder {path.parent.absolute()} is read-only. Name a file elsewhere with --db")


def writable(path: Path) -> bool:
    """Return whether the mode bits (which root could ignore) and the system both allow writing."""
    return bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)) and os.access(path, os.W_OK)


def revision_of(path: Path, connection: sqlite3.Connection) -> str | None:
    """Return the revision of the store, None for a database without any table.

    Raises:
        TeachMattersError: the database is not a store, or newer than this code.
    """
    kinds = dict(connection.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))
    if kinds.get(public.VERSION_TABLE) != "table":
        if kinds:
            raise TeachMattersError(f"{path} is a SQLite file but not a results store. Name another file with --db")
        return None
    # The value may be anything, so only a few of its bytes are read.
    sql = f"SELECT substr(CAST(version_num AS BLOB), 1, 100) FROM {public.VERSION_TABLE}"
    return known_revision(path, connection.execute(sql).fetchone())


def recover(path: Path) -> None:
    """Let SQLite roll back what a killed program left half-written, as it does when a file is opened for writing."""
    if path.exists() and logs(path)[0].exists():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()


def logs(path: Path) -> tuple[Path, Path]:
    """Return the paths of the rollback journal and the write-ahead log of SQLite."""
    real = path.resolve()  # they are next to the file itself, not next to a link to it
    return real.with_name(f"{real.name}-journal"), real.with_name(f"{real.name}-wal")


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise TeachMattersError(
            f"{path} is a folder, not a file. Name a file in it with --db, such as {path}/results.db"
        )
    if not path.is_file():
        raise TeachMattersError(f"{path} is not a regular file. Name another with --db")
    if 0 < path.stat().st_size < SMALLEST and not any(log.exists() for log in logs(path)):
        raise TeachMattersError(f"{path} {_REASONS[sqlite3.SQLITE_NOTADB]}")
