"""Numbers of bytes in words, and whether so many fit on a disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from teachmatters.errors import TeachMattersError

WORTH_A_WORD = 0.1
"""Share of the free disk from which on a size is said beforehand."""


def in_words(size: int) -> str:
    """Bytes as people count them.

    >>> in_words(999), in_words(24_514_560_000)
    ('999 B', '24.5 GB')
    """
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if round(number, 1) < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def existing_parent(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def remark_on_space(folder: Path, size: int, what: str) -> str | None:
    """A sentence for what takes more than a tenth of the free disk, None for what takes less.

    Args:
        folder: where it will be written; it need not exist.
        size: bytes.
        what: the subject of the sentence, plural.

    Raises:
        TeachMattersError: it does not fit.
    """
    free = shutil.disk_usage(existing_parent(folder)).free
    asked, room = in_words(size), in_words(free)
    if size > free:
        raise TeachMattersError(
            f"{what} need {asked}, and {room} are free where {folder} lies; make room ('tm cache info' says what the "
            "cache holds), or name a folder on another disk with TM_CACHE"
        )
    return f"{what} take {asked} in {folder}, where {room} are free" if size > WORTH_A_WORD * free else None
