"""How much the cache may hold, and dropping what was not used for longest where it holds more."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

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
    """Return the bytes that a cache may hold: TM_CACHE_LIMIT, else 50 GB or a tenth of its disk, whichever is less.

    Raises:
        TeachMattersError: TM_CACHE_LIMIT is no size.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return min(MOST, int(SHARE_OF_DISK * shutil.disk_usage(existing_parent(root)).total))
    size = _SIZE.fullmatch(given)
    if size is None:
        raise TeachMattersError(
            f"{VARIABLE}={given!r} is no size; give bytes, or a number with kB, MB, GB or TB, such as 20GB"
        )
    return int(float(size[1]) * _UNITS[size[2].lower()])


def make_room(root: Path, say: Callable[[str], None], asked: int = 0) -> None:
    """Drop what was not used for longest, until so many bytes more fit into the limit.

    What any process uses is kept, and so is what cannot be deleted. What killed processes left half-written is removed.

    Args:
        root: the cache.
        say: is told what was dropped, and where what is in use is more than the limit.
        asked: bytes.

    Raises:
        TeachMattersError: TM_CACHE_LIMIT is no size.
    """
    limit = limit_of(root)
    by_age = sorted(entries(root), key=lambda entry: (entry.used(), entry.path.name))
    held = sum(entry.bytes() for entry in by_age)
    dropped = []
    for entry in by_age:
        freed, whole = _relieve(entry, drop=held + asked > limit)
        held -= freed
        if whole:
            dropped.append(freed)
    if dropped:
        say(
            f"dropped from {root}: {len(dropped)} entries not used for longest, {in_words(sum(dropped))} "
            f"({VARIABLE}: {in_words(limit)})"
        )
    if asked and held + asked > limit:
        say(
            f"{root} will hold {in_words(held + asked)}, more than {VARIABLE} ({in_words(limit)}): what is in use is "
            "kept until the command ends"
        )


def _relieve(entry: CacheEntry, *, drop: bool) -> tuple[int, bool]:
    """Bytes that an entry nobody uses was freed of, and whether it was dropped."""
    with alone(entry) as nobody_uses_it:
        if not nobody_uses_it:
            return 0, False
        try:
            return (entry.remove(), True) if drop else (entry.sweep(), False)
        except OSError:  # somebody else's
            return 0, False
