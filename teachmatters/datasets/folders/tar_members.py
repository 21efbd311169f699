"""List the images in a tar file, their offsets, and their classes."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from teachmatters.datasets.folders.layout import is_left_out
from teachmatters.datasets.folders.listing import files_below
from teachmatters.datasets.images import is_image, suffix_of
from teachmatters.errors import TeachMattersError

# Links followed in a row before they count as a cycle.
MOST_LINKS = 8

# The suffix of a file with a sample's class.
CLASS = ".cls"


@dataclass(frozen=True, slots=True)
class Member:
    """One image in a tar: ``name`` is its path in the tar, ``label`` the content of its ``.cls``."""

    shard: Path
    name: str
    offset: int
    size: int
    label: str | None


class PathTree:
    """Images by their paths, as layout.py needs them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._inside: dict[str, set[str]] = {}
        self._own: set[str] = set()
        for folder in {posixpath.dirname(path) for path in paths}:
            self._own.add(folder)
            names = folder.split("/") if folder else []
            for depth, name in enumerate(names):
                self._inside.setdefault("/".join(names[:depth]), set()).add(name)

    def folders(self, at: str) -> list[str]:
        """See Tree.folders."""
        return sorted(self._inside.get(at, ()))

    def has_own(self, at: str) -> bool:
        """See Tree.has_own."""
        return at in self._own


def tars_below(root: Path) -> list[Path]:
    """Return every ``.tar`` at any depth, sorted, without hidden and system files and folders."""
    found = files_below(root, lambda name: name.lower().endswith(".tar"))
    return sorted(root / name for name, entry in found if entry.is_file())


def members_of(shard: Path, passed: Counter[str]) -> Iterator[Member]:
    """Yield the images of a tar in its order, read from its headers. Links are followed.

    Args:
        shard: the tar.
        passed: counts skipped files, as ``files_below`` does.

    Raises:
        TeachMattersError: the tar is damaged or compressed.
    """
    try:
        with tarfile.open(shard, "r:") as tar:
            held = _held(tar, passed)
            passed.update(suffix_of(posixpath.basename(name)) for name in held if not _read(name))
            for _, sample in groupby(filter(sample_of, held), sample_of):
                names = list(sample)
                label = _told(tar, held, names)
                for name in filter(_with_images, names):
                    found = held[name]
                    where = (found.offset_data, found.size) if found else (0, 0)
                    yield Member(shard, name, *where, label)
    except (tarfile.TarError, ValueError, OSError) as error:
        raise TeachMattersError(
            f"{shard} cannot be read as a tar file ({error}); unpack it if it is compressed, fetch it "
            "again if it is damaged"
        ) from None


def sample_of(name: str) -> str:
    """Return the sample of a file as webdataset defines it: all before the first dot of its name; "" for none.

    >>> sample_of("cats/0001.seg.png"), sample_of("v1.0/0001.jpg"), sample_of("LICENSE")
    ('cats/0001', 'v1.0/0001', '')
    """
    found = re.fullmatch(r"((?:.*/)?[^.]+)\.[^/]*", name)
    return found[1] if found else ""


def _held(tar: tarfile.TarFile, passed: Counter[str]) -> Mapping[str, tarfile.TarInfo | None]:
    """Return the files after unpacking, by path: the last of duplicates; None for a broken link."""
    every = {posixpath.normpath(member.name).lstrip("/"): member for member in tar}
    left_out = {folder for name in every if (folder := _left_out(name, every))}
    passed.update(f"{posixpath.basename(folder)}/" for folder in left_out if not _hidden(folder))
    shown = {name: member for name, member in every.items() if not member.isdir() and not _left_out(name, every)}
    found = {name: _followed(every, name) for name in shown if not is_left_out(posixpath.basename(name))}
    return {name: member for name, member in found.items() if member is None or member.isreg()}


def _left_out(name: str, every: Mapping[str, tarfile.TarInfo]) -> str:
    """Return the outermost ignored folder of a path, if any."""
    parts = name.split("/")
    folders = parts if every[name].isdir() else parts[:-1]
    place = next((place for place, part in enumerate(folders, start=1) if is_left_out(part)), 0)
    return "/".join(parts[:place])


def _followed(every: Mapping[str, tarfile.TarInfo], name: str) -> tarfile.TarInfo | None:
    for _ in range(MOST_LINKS):
        member = every.get(name)
        if member is None or not (member.issym() or member.islnk()):
            return member
        above = (
            posixpath.dirname(name) if member.issym() else ""
        )  # the target of a hard link is relative to the archive's root
        name = posixpath.normpath(posixpath.join(above, member.linkname)).lstrip("/" if member.islnk() else "")
    return None


def _hidden(path: str) -> bool:
    return any(name.startswith(".") for name in path.split("/"))


def _with_images(name: str) -> bool:
    return is_image(posixpath.basename(name))


def _read(name: str) -> bool:
    return _with_images(name) or name.lower().endswith(CLASS)


def _told(tar: tarfile.TarFile, held: Mapping[str, Any], names: list[str]) -> str | None:
    """Return the content of a sample's ``.cls``, if it has one."""
    member = next((held[name] for name in names if name.lower().endswith(CLASS)), None)
    file = tar.extractfile(member) if member else None
    return None if file is None else re.sub(r"\s+", " ", file.read(1000).decode("utf-8-sig", "replace")).strip()
