"""Locks on the cache entries in use: each process holds a lock on its entries, at most until it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from teachmatters.cache.entry import LOCK, CacheEntry

try:
    import fcntl

    LOCKS = True
except ImportError:  # Windows: every entry counts as in use, and only 'tm cache prune' deletes it
    LOCKS = False

_held: dict[Path, int] = {}  # locked folders, with the descriptors of their lock files


def hold(entry: CacheEntry) -> None:
    """Keep other processes from deleting an entry until ``release``, if its folder exists and is writable.

    If no other process uses the entry, the unfinished files of killed processes are deleted.
    """
    folder = entry.path.absolute()
    if folder in _held:
        if _is_current(folder, _held[folder]):
            return
        os.close(_held.pop(folder))  # the folder was pruned and made again
    with alone(entry) as nobody_else:
        if nobody_else:
            entry.sweep()
    if (lock := _locked(folder, alone=False)) is not None:
        _held[folder] = lock


def release() -> None:
    """Release all locks of this process at the end of a command."""
    while _held:
        os.close(_held.popitem()[1])


@contextlib.contextmanager
def alone(entry: CacheEntry) -> Iterator[bool]:
    """Yield whether no process uses an entry; if so, none can begin to use it within the context."""
    lock = _locked(entry.path.absolute(), alone=True)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path, *, alone: bool) -> int | None:
    """Return the descriptor of a locked file, None if another lock prevents it or locking is impossible."""
    while LOCKS:
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # the folder does not exist or is read-only
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except OSError:  # the entry is in use, or the file system has no locks
            os.close(lock)
            return None
        if _is_current(folder, lock):
            return lock
        os.close(lock)  # the folder was deleted while this process waited
    return None


def _is_current(folder: Path, lock: int) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), (folder / LOCK).stat())
    except FileNotFoundError:
        return False
