"""Which entries are in use: each process holds a lock on those that it works with, which ends when the process does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from teachmatters.cache.entry import LOCK, CacheEntry

try:
    import fcntl

    LOCKS = True
except ImportError:  # Windows: every entry counts as in use, and is dropped by 'tm cache prune' alone
    LOCKS = False

_held: dict[Path, int] = {}  # folders, and the open files that their locks hang on


def hold(entry: CacheEntry) -> None:
    """Keep others from dropping an entry until ``release``, if its folder is there and may be written.

    Where nobody else uses it, what killed processes left half-written is removed.
    """
    folder = entry.path.absolute()
    if folder in _held:
        if _is_current(folder, _held[folder]):
            return
        os.close(_held.pop(folder))  # the folder was pruned, and is another now
    with alone(entry) as nobody_else:
        if nobody_else:
            entry.sweep()
    if (lock := _locked(folder, alone=False)) is not None:
        _held[folder] = lock


def release() -> None:
    """Let go of all that this process holds: its command is over."""
    while _held:
        os.close(_held.popitem()[1])


@contextlib.contextmanager
def alone(entry: CacheEntry) -> Iterator[bool]:
    """Gives whether nobody uses an entry; if so, nobody begins to before the end of the context."""
    lock = _locked(entry.path.absolute(), alone=True)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path, *, alone: bool) -> int | None:
    """An open file with a lock on it, None where somebody else's is in the way, or none can be had."""
    while LOCKS:
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # no such folder, or one that may only be read
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except OSError:  # in use; or a disk without locks
            os.close(lock)
            return None
        if _is_current(folder, lock):
            return lock
        os.close(lock)  # the folder was dropped while we waited
    return None


def _is_current(folder: Path, lock: int) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), (folder / LOCK).stat())
    except FileNotFoundError:
        return False
