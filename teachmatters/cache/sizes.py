"""Formats numbers of bytes, and checks that they fit on a disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from teachmatters.errors import TeachMattersError

REMARK_FROM = 0.1  # fraction of the free disk from which a size is reported in advance


def in_words(size: int) -> str:
    """Return a number of bytes as text with a decimal unit.

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
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def remark_on_space(folder: Path, size: int, what: str) -> str | None:
    """Return a sentence if a size exceeds a tenth of the free disk, else None.

    Args:
        folder: where it will be written; it need not exist.
        size: bytes.
        what: the subject of the sentence, plural.

    Raises:
        TeachMattersError: the size exceeds the free disk.
    """
    free = shutil.disk_usage(existing_parent(folder)).free
    needed, room = in_words(size), in_words(free)
    if size > free:
        raise TeachMattersError(
            f"{what} need {needed}, but only {room} are free on the disk of {folder}; free some space (see "
            "'tm cache info'), or set TM_CACHE to a folder on another disk"
        )
    return f"{what} take {needed} in {folder}, where {room} are free" if size > REMARK_FROM * free else None
