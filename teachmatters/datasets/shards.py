"""Pictures in tar files, read where they lie: shards of the package webdataset, or tars of a folder of pictures."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, Item, Kind, Role
from teachmatters.datasets.parts import class_order, part_named, roles_of
from teachmatters.datasets.pictures import is_picture, read_picture
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

NAMES = "classnames.txt"
"""Beside the shards: the name of each class that a ``.cls`` numbers, one a line."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where one picture lies. ``name`` is its path in the tar, ``label`` the name of its class if it has one."""

    shard: Path
    name: str
    offset: int
    size: int
    label: str | None


class Shards(Dataset):
    """The pictures of every ``.tar`` below a folder, sorted by key.

    A picture's key is the path that it would have if each tar were unpacked where it lies, so that a folder and a tar
    of it are the same data set: one order, one fingerprint. ``train`` and ``val`` (or ``validation``) in the name of a
    tar or of its folder, or as the first folder in it, divide gallery and queries. A sample's class is its ``.cls``,
    else its folder. Opening reads the tars' headers, no picture.

    Args:
        root: the folder.

    Raises:
        TeachMattersError: a tar is damaged or compressed, there is no picture, or webdataset is not installed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        members = [member for shard in tars_below(root) for member in _members(shard)]
        found: dict[str, list[Member]] = {}
        for member in members:
            found.setdefault(self._part(member), []).append(member)
        if not members:
            raise TeachMattersError(f"no pictures in the tar files below {root}; name another folder with --data-root")
        self.parts = roles_of(found)
        used = [member for part in set(self.parts.values()) for member in found[part]]
        labels = {self._label(member) for member in used}
        self.classes = [] if None in labels else self._classes(sorted(map(str, labels)))
        self.kinds = frozenset({"pictures", "labels"} if self.classes else {"pictures"})
        self._members = self._keyed(used)
        self._items = self._listed()

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        part = self.parts.get(role)
        return None if part is None else self._items[part]

    def picture(self, item: Item) -> Image:
        member = self._members[item.key]
        with member.shard.open("rb") as file:
            file.seek(member.offset)
            data = file.read(member.size)
        if len(data) < member.size:
            raise OSError(f"{member.shard} ends within {member.name}")
        return read_picture(BytesIO(data), item.key)

    def split(self, kind: Kind) -> str:
        return self.parts["all"] or "all"

    def _part(self, member: Member) -> str:
        """``train``, ``val``, or nothing: told by the tar's path, else by the first folder in it."""
        return part_named(self._place(member.shard), member.shard.stem) or part_named(member.name.partition("/")[0])

    def _place(self, shard: Path) -> str:
        return shard.parent.relative_to(self.root).as_posix().removeprefix(".")

    def _label(self, member: Member) -> str | None:
        """The class: told beside the picture, else the folder that it lies in below its part."""
        if member.label is not None:
            return member.label
        path = self._path(member).split("/")
        folders = path[1:-1] if part_named(path[0]) else path[:-1]
        return folders[0] if folders else None

    def _classes(self, names: list[str]) -> list[str]:
        file = self.root / NAMES
        if not all(name.isdecimal() for name in names) or not file.is_file():
            return class_order(names)
        told = file.read_text("utf-8").splitlines()
        if (most := max(map(int, names))) >= len(told):
            raise TeachMattersError(
                f"{file} names {len(told)} classes, but a .cls says {most} (they count from 0); mend or remove it"
            )
        return told

    def _path(self, member: Member) -> str:
        """Where the picture would lie below the root; its part comes first whoever tells it."""
        place = self._place(member.shard)
        path = f"{place}/{member.name}" if place else member.name
        part = self._part(member)
        return path if not part or part_named(path.partition("/")[0]) else f"{part}/{path}"

    def _keyed(self, members: Iterable[Member]) -> dict[str, Member]:
        """By path; where two tars have one of the same path, by path and tar."""
        members = list(members)
        keyed = {self._path(member): member for member in members}
        if len(keyed) == len(members):
            return keyed
        return {_within(self._path(member), member.shard.stem): member for member in members}

    def _listed(self) -> dict[str, list[Item]]:
        numbers = {name: number for number, name in enumerate(self.classes)}
        items: dict[str, list[Item]] = {part: [] for part in self.parts.values()}
        for key, member in sorted(self._members.items()):
            label = self._label(member) if self.classes else None
            number = None if label is None else int(label) if label not in numbers else numbers[label]
            items[self._part(member) if len(items) > 1 else self.parts["all"]].append(Item(key, member.size, number))
        return items


def tars_below(root: Path) -> list[Path]:
    """Every ``.tar`` below, hidden ones left out, sorted."""
    return sorted(path for path in root.rglob("*.tar") if not path.name.startswith(".") and path.is_file())


def _within(path: str, stem: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{stem}/{name}".lstrip("/")


def _members(shard: Path) -> Iterator[Member]:
    """The pictures of one tar with the classes told beside them, in its order."""
    try:
        from webdataset.tariterators import group_by_keys
    except ImportError:
        raise TeachMattersError(
            f"{shard} is a tar file; reading those needs webdataset: pip install 'teachmatters[shards]'"
        ) from None
    try:
        with tarfile.open(shard, "r:") as tar:
            for sample in group_by_keys(_files(shard, tar)):
                label = _told(tar, sample)
                for each in sample.values():
                    if isinstance(each, tarfile.TarInfo) and is_picture(each.name.rpartition("/")[2]):
                        yield Member(shard, each.name.removeprefix("./"), each.offset_data, each.size, label)
    except (tarfile.TarError, ValueError, OSError) as error:
        raise TeachMattersError(
            f"{shard} cannot be read as a tar file ({error}); unpack it if it is compressed, fetch it "
            "again if it is damaged"
        ) from None


def _files(shard: Path, tar: tarfile.TarFile) -> Iterator[Mapping[str, Any]]:
    for member in tar:
        if member.isreg():
            yield {"fname": member.name, "data": member, "__url__": str(shard)}


def _told(tar: tarfile.TarFile, sample: Mapping[str, Any]) -> str | None:
    """What a sample's ``.cls`` says, where it has one."""
    file = tar.extractfile(sample["cls"]) if "cls" in sample else None
    return None if file is None else re.sub(r"\s+", " ", file.read(1000).decode("utf-8", "replace")).strip()
