"""The size limit of a cache; the least recently used entries are deleted to stay within it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from teachmatters import config
from teachmatters.cache.entry import CacheEntry, entries
from teachmatters.cache.holding import alone
from teachmatters.cache.sizes import existing_parent, in_words
from teachmatters.errors import TeachMattersError

VARIABLE = "TM_CACHE_LIMIT"
MOST = 50 * 10**9  # bytes
SHARE_OF_DISK = 0.1
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def limit_of(root: Path) -> int:
    """Return the bytes that a cache may hold: ``cache_limit``, else 50 GB or a tenth of its disk, if that is less.

    Raises:
        TeachMattersError: TM_CACHE_LIMIT is not a size.
    """
    given = (config.default("cache_limit") or "").strip()
    if not given:
        return min(MOST, int(SHARE_OF_DISK * shutil.disk_usage(existing_parent(root)).total))
    return parse_size(given, config.source("cache_limit"))


def parse_size(text: str, name: str) -> int:
    """Return the bytes of a size such as ``20GB``; ``name`` says in an error what the text is.

    Raises:
        TeachMattersError: it is not a size.

    >>> parse_size("1.5 kB", "limit")
    1500
    """
    size = _SIZE.fullmatch(text.strip())
    if size is None:
        raise TeachMattersError(
            f"{name}={text!r} is not a size; give bytes, or a number with kB, MB, GB or TB, such as 20GB"
        )
    return int(float(size[1]) * _UNITS[size[2].lower()])


def make_room(root: Path, say: Callable[[str], None], asked: int = 0) -> None:
    """Delete the least recently used entries until ``asked`` more bytes fit into the limit.

    Entries in use and entries that cannot be deleted are kept. Unfinished files of killed processes are deleted.

    Args:
        root: the cache.
        say: reports what was deleted, and if the entries in use exceed the limit.
        asked: number of bytes to make room for.

    Raises:
        TeachMattersError: TM_CACHE_LIMIT is not a size.
    """
    limit = limit_of(root)
    by_age = sorted(entries(root), key=lambda entry: (entry.used(), entry.path.name))
    size = sum(entry.bytes() for entry in by_age)
    dropped = []
    for entry in by_age:
        freed, deleted = _free(entry, delete=size + asked > limit)
        size -= freed
        if deleted:
            dropped.append(freed)
    if dropped:
        say(
            f"dropped from {root}: {len(dropped)} entries not used for longest, {in_words(sum(dropped))} "
            f"({VARIABLE}: {in_words(limit)})"
        )
    if asked and size + asked > limit:
        say(
            f"{root} will hold {in_words(size + asked)}, more than {VARIABLE} ({in_words(limit)}): entries in use "
            "are kept until the command ends"
        )


def _free(entry: CacheEntry, *, delete: bool) -> tuple[int, bool]:
    """Free space in an entry that no process uses; return the bytes freed and whether it was deleted."""
    with alone(entry) as unused:
        if not unused:
            return 0, False
        try:
            return (entry.remove(), True) if delete else (entry.sweep(), False)
        except OSError:  # the entry belongs to another user
            return 0, False
