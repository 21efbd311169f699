"""List the files below a folder, fast enough for millions: one stat a file."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from teachmatters.datasets.folders.layout import is_left_out
from teachmatters.datasets.images import is_image, suffix_of
from teachmatters.errors import TeachMattersError


class ImageTree:
    """The images below a folder on disk, as layout.py needs them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[str, list[str]] = {}

    def folders(self, at: str) -> list[str]:
        """See Tree.folders."""
        if at not in self._folders:
            self._folders[at] = [name for name in self.every_folder(at) if has_images(self.root / at / name)]
        return self._folders[at]

    def has_own(self, at: str) -> bool:
        """See Tree.has_own."""
        return any(is_image(entry.name) and not entry.is_dir() for entry in _shown(self.root / at))

    def every_folder(self, at: str) -> list[str]:
        """Return the names of the folders directly in ``at``, also those without images."""
        return sorted(entry.name for entry in _shown(self.root / at) if entry.is_dir())


def has_images(folder: Path) -> bool:
    """Return whether there is an image at any depth; stops at the first."""
    return next(files_below(folder), None) is not None


def files_below(
    folder: Path,
    wanted: Callable[[str], bool] = is_image,
    passed: Counter[str] | None = None,
    *,
    prefix: str = "",
    above: frozenset[tuple[int, int]] = frozenset(),
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the relative paths of files at any depth, with forward slashes, and their entries, in no order.

    Symbolic links are followed, except to a parent folder.

    Args:
        folder: the folder to search.
        wanted: filter on a file's name.
        passed: counts skipped files by suffix, and skipped system folders by name and slash.
        prefix: put before each path.
        above: the parent folders.
    """
    passed = Counter() if passed is None else passed
    here = _identity(folder)
    if here in above:
        return
    below = []
    for entry in entries(folder):
        if entry.is_dir() and not is_left_out(entry.name):
            below.append(entry.name)
        elif wanted(entry.name) and not is_left_out(entry.name):
            yield prefix + entry.name, entry
        else:
            _pass(entry, passed)
    for name in below:
        yield from files_below(folder / name, wanted, passed, prefix=f"{prefix}{name}/", above=above | {here})


def passed_directly(folder: Path) -> Counter[str]:
    """Count the files and folders directly in a folder that ``files_below`` would skip."""
    passed: Counter[str] = Counter()
    for entry in entries(folder):
        if is_left_out(entry.name) or not (is_image(entry.name) or entry.is_dir()):
            _pass(entry, passed)
    return passed


def _pass(entry: os.DirEntry[str], passed: Counter[str]) -> None:
    """Count a skipped file by suffix or system folder by name; hidden names and system files are not counted."""
    if not is_left_out(entry.name):
        passed[suffix_of(entry.name)] += 1
    elif entry.is_dir() and not entry.name.startswith("."):
        passed[f"{entry.name}/"] += 1


def size_of(file: Path | os.DirEntry[str]) -> int | None:
    """Return the bytes on disk; 0 for a missing file (reading it will fail), None if it is not a regular file."""
    try:
        found = file.stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder.

    Raises:
        TeachMattersError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError as error:
        raise TeachMattersError(f"cannot list {folder} ({error.strerror}); check its path and permissions") from None


def _shown(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in entries(folder) if not is_left_out(entry.name))


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino
