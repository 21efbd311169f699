"""What a tar file holds: its pictures, where each lies in it, and the classes that are told beside them."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachmatters.datasets.pictures import is_picture
from teachmatters.errors import TeachMattersError

MOST_LINKS = 8
"""From one member to the next, until a chain of them is taken for a circle."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where one picture lies: ``name`` is its path in the tar, ``label`` what a ``.cls`` says of it."""

    shard: Path
    name: str
    offset: int
    size: int
    label: str | None


def tars_below(root: Path) -> list[Path]:
    """Every ``.tar`` below, hidden files and folders left out, sorted."""
    found = (path for path in root.rglob("*") if path.suffix.lower() == ".tar" and path.is_file())
    return sorted(path for path in found if not _hidden(path.relative_to(root).as_posix()))


def members_of(shard: Path) -> Iterator[Member]:
    """The pictures of a tar, read from its headers, in its order. A link is what it points to, as if it were unpacked.

    Raises:
        TeachMattersError: it is damaged or compressed, or webdataset is not installed.
    """
    try:
        from webdataset.tariterators import group_by_keys
    except ImportError:
        raise TeachMattersError(
            f"{shard} is a tar file; reading those needs webdataset: pip install 'teachmatters[shards]'"
        ) from None
    try:
        with tarfile.open(shard, "r:") as tar:
            held = _held(tar)
            files = ({"fname": name, "data": name, "__url__": str(shard)} for name in held)
            for sample in group_by_keys(files, lcase=False):
                names = [name for suffix, name in sample.items() if not suffix.startswith("__")]
                label = _told(tar, held, names)
                for name in filter(_pictured, names):
                    found = held[name]
                    where = (found.offset_data, found.size) if found else (0, 0)
                    yield Member(shard, name, *where, label)
    except (tarfile.TarError, ValueError, OSError) as error:
        raise TeachMattersError(
            f"{shard} cannot be read as a tar file ({error}); unpack it if it is compressed, fetch it "
            "again if it is damaged"
        ) from None


def _held(tar: tarfile.TarFile) -> Mapping[str, tarfile.TarInfo | None]:
    """What unpacking would leave, by path: of one that is there twice the last; None for a link to nothing."""
    every = {posixpath.normpath(member.name).lstrip("/"): member for member in tar}
    found = {name: _followed(every, name) for name, member in every.items() if not member.isdir() and not _hidden(name)}
    return {name: member for name, member in found.items() if member is None or member.isreg()}


def _followed(every: Mapping[str, tarfile.TarInfo], name: str) -> tarfile.TarInfo | None:
    for _ in range(MOST_LINKS):
        member = every.get(name)
        if member is None or not (member.issym() or member.islnk()):
            return member
        above = posixpath.dirname(name) if member.issym() else ""  # a hard link is told from the top
        name = posixpath.normpath(posixpath.join(above, member.linkname)).lstrip("/" if member.islnk() else "")
    return None


def _hidden(path: str) -> bool:
    return any(name.startswith(".") for name in path.split("/"))


def _pictured(name: str) -> bool:
    return is_picture(name.rpartition("/")[2])


def _told(tar: tarfile.TarFile, held: Mapping[str, Any], names: list[str]) -> str | None:
    """What a sample's ``.cls`` says, where it has one."""
    member = next((held[name] for name in names if name.lower().endswith(".cls")), None)
    file = tar.extractfile(member) if member else None
    return None if file is None else re.sub(r"\s+", " ", file.read(1000).decode("utf-8", "replace")).strip()
