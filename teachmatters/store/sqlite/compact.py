"""Rewrites a store as a single file of minimal size, for copying or shipping."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters.store.sqlite.files import plain_error, recover

WAIT = 2.0  # seconds: enough for a commit, not for a program that keeps the store open


def compact(path: Path) -> tuple[int, int]:
    """Rewrite a store without gaps, leave it in ``journal_mode=DELETE``, and return its bytes before and after.

    Raises:
        TeachMattersError: the store is in use, or the disk is full.
    """
    before = _size(path)
    try:
        recover(path)
        with contextlib.closing(sqlite3.connect(path.resolve(), timeout=WAIT, isolation_level=None)) as connection:
            # In WAL mode this takes the lock that every other connection shares.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    return before, _size(path)


def _size(path: Path) -> int:
    real = path.resolve()
    return sum(file.stat().st_size for file in (real, real.with_name(f"{real.name}-wal")) if file.exists())


def _explained(path: Path, error: sqlite3.Error) -> Exception:
    primary = error.sqlite_errorcode & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TeachMattersError(f"{path} is in use by another program. Close what has it open, and try again")
    if primary == sqlite3.SQLITE_FULL:
        return TeachMattersError(f"{path} is unchanged: the disk is full. Free enough disk space for a second copy")
    return plain_error(path, error) or error
