"""Images in tar files, read without unpacking: shards of webdataset, or tars of an image folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import Dataset, Item, Kind, Role
from teachmatters.datasets.folders.layout import (
    WORDS,
    class_order,
    class_remarks,
    file_remarks,
    part_named,
    roles_of,
    split_folders,
    unused_remarks,
)
from teachmatters.datasets.folders.tar_members import Member, PathTree, members_of, tars_below
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

# File next to the shards with the class names, one a line, in the order of the numbers in ``.cls``.
NAMES = "classnames.txt"


@dataclass(frozen=True, slots=True)
class _Placed:
    """An image, its part, and its path below the root after unpacking the tar in place."""

    member: Member
    part: str
    path: str

    @property
    def folders(self) -> list[str]:
        """Return the folders of the path below its part."""
        return self.path.split("/")[bool(self.part) : -1]

    @property
    def label(self) -> str | None:
        """Return the class: from the ``.cls`` of the sample, else the first folder below its part."""
        return self.member.label if self.member.label is not None else next(iter(self.folders), None)

    def unit(self, root: Path) -> str:
        """Return the folder in the tar, or the tar itself, for messages."""
        folder = self.path.partition("/")[0]
        return f"{folder}/" if "/" in self.path else self.member.shard.relative_to(root).as_posix()


class Shards(Dataset):
    """The images of every ``.tar`` below a folder, sorted by key.

    A key is the path of the image after unpacking each tar in place, with the part in place of the split's folder. A
    folder and a tar of it are therefore the same data set, with one order and one fingerprint. ``train`` and ``val``
    (or ``validation``, else ``test``) in the name of a tar or of its folder mark gallery and queries, as do folders of
    these names in the tars. A sample's class is its ``.cls``, else its folder. Opening reads only the tars' headers.

    Args:
        root: the folder.
        upright: apply the EXIF orientation.

    Raises:
        TeachMattersError: a tar is damaged or compressed, or no tar has an image.
    """

    def __init__(self, root: Path, *, upright: bool = False) -> None:
        self.root, self.upright, self._passed = root, upright, Counter[str]()
        members = [member for shard in tars_below(root) for member in members_of(shard, self._passed)]
        if not members:
            raise TeachMattersError(f"no images in the tar files below {root}; name another folder with --data-root")
        placed = _parted(root, members)
        self.parts = roles_of({each.part for each in placed})
        if not self.parts["all"]:  # not split, although some names look like splits
            placed = [replace(each, part="") for each in placed]
        used = [_headed(each, root) for each in placed if each.part in self.parts.values()]
        self._unused = {each.unit(root) for each in placed if each.part not in self.parts.values()}
        labels = {each.label for each in used}
        numbered = all(each.member.label is not None for each in used)
        self.classes = [] if None in labels else self._classes(sorted(map(str, labels)), numbered)
        self.kinds = frozenset({"images", "labels"} if self.classes else {"images"})
        self._placed = dict(sorted(_keyed(used)))
        self._items = self._listed()

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        part = self.parts.get(role)
        return None if part is None else self._items[part]

    def image(self, item: Item) -> Image:
        member = self._placed[item.key].member
        with member.shard.open("rb") as file:
            file.seek(member.offset)
            data = file.read(member.size)
        if len(data) < member.size:
            raise OSError(f"{member.shard} ends within {member.name}")
        if not data:
            raise OSError(f"{member.name} is empty, or a link to a file that is not in {member.shard}")
        return read_image(BytesIO(data), item.key, upright=self.upright)

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        told = [*unused_remarks(sorted(self._unused), self.parts), *file_remarks(self._passed if items else {})]
        if kind != "labels":
            return told
        bare = sum(each.label is None for each in self._placed.values())
        if 0 < bare < len(self._placed):
            return [f"no labels: {bare:,} images have neither a .cls nor a folder of a class", *told]
        inside = {folder for each in self._placed.values() for folder in each.folders[1:2]}
        return [*class_remarks(self.classes, sorted(inside)), *told]

    def split(self, kind: Kind) -> str:
        return self.parts["all"] or "all"

    def _classes(self, names: list[str], numbered: bool) -> list[str]:
        """Return the classes in order; numbers count as indices only in ``.cls``, not as names of folders."""
        if not numbered or not all(name.isdecimal() for name in names):
            return names
        file = self.root / NAMES
        if not file.is_file():
            return class_order(names)
        told = file.read_text("utf-8-sig").splitlines()
        if (most := max(map(int, names))) >= len(told):
            raise TeachMattersError(
                f"{file} names {len(told)} classes, but a .cls says {most} (they count from 0); correct or remove it"
            )
        return told

    def _listed(self) -> dict[str, list[Item]]:
        numbers = {name: number for number, name in enumerate(self.classes)}
        items: dict[str, list[Item]] = {part: [] for part in self.parts.values()}
        for key, each in self._placed.items():
            label = each.label if self.classes else None
            number = None if label is None else int(label) if label not in numbers else numbers[label]
            items[each.part].append(Item(key, each.member.size, number))
        return items


def _parted(root: Path, members: Iterable[Member]) -> list[_Placed]:
    """Return every image with its part, from the tar's path or else from the folders inside it."""
    placed = []
    for member in members:
        place = member.shard.parent.relative_to(root).as_posix().removeprefix(".")
        path = f"{place}/{member.name}" if place else member.name
        placed.append(_Placed(member, part_named(place, member.shard.stem), path))
    splits = split_folders(PathTree(each.path for each in placed if not each.part))
    return [each if each.part else replace(each, part=splits.get(each.path.partition("/")[0], "")) for each in placed]


def _headed(each: _Placed, root: Path) -> _Placed:
    """Replace the split's folder at the start of the path by the part."""
    if not each.part:
        return each
    folders = each.path.split("/")
    around = each.member.shard.parent.relative_to(root).parts
    telling = next((place for place, name in enumerate(around) if part_named(name) == each.part), -1)
    below = folders[telling + 1 :]
    inner = len(below) > 1 and WORDS.get(below[0].lower()) == each.part
    return replace(each, path="/".join([each.part, *below[inner:]]))


def _keyed(used: Sequence[_Placed]) -> Iterator[tuple[str, _Placed]]:
    """Yield images by path; if two tars have the same path, by path and tar."""
    apart = max(Counter(each.path for each in used).values()) == 1
    for each in used:
        folder, _, name = each.path.rpartition("/")
        yield each.path if apart else f"{folder}/{each.member.shard.stem}/{name}".lstrip("/"), each
