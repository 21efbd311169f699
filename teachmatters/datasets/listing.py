"""Listing the picture files below a folder: fast for millions of them, one stat each."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from teachmatters.datasets.pictures import is_picture
from teachmatters.errors import TeachMattersError


def folders_in(folder: Path) -> list[str]:
    """Names of the folders directly inside, hidden ones left out, sorted."""
    return sorted(entry.name for entry in entries(folder) if not entry.name.startswith(".") and entry.is_dir())


def has_own_pictures(folder: Path) -> bool:
    """Whether pictures lie directly in the folder."""
    return any(is_picture(entry.name) and not entry.is_dir() for entry in entries(folder))


def has_pictures(folder: Path) -> bool:
    """Whether pictures lie anywhere below; stops at the first."""
    return next(files_below(folder), None) is not None


def files_below(
    folder: Path, prefix: str = "", above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The pictures below and their relative paths, with forward slashes, in no order.

    Symbolic links are followed; ``above`` holds the folders on the way down, so that a link to one of them is not.
    """
    here = _identity(folder)
    if here in above:
        return
    below = []
    for entry in entries(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            below.append(entry.name)
        elif is_picture(entry.name):
            yield prefix + entry.name, entry
    for name in below:
        yield from files_below(folder / name, f"{prefix}{name}/", above | {here})


def size_of(file: Path | os.DirEntry[str]) -> int | None:
    """Bytes on disk; 0 for a file that is gone (reading it will say so), None for what is no regular file."""
    try:
        found = file.stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds.

    Raises:
        TeachMattersError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError as error:
        raise TeachMattersError(f"cannot list {folder} ({error.strerror}); check its path and permissions") from None


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino
