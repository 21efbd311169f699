"""Folders of pictures, with or without classes, whole or in train and val."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.arrow import ArrowFolder, has_parquet, is_saved
from teachmatters.datasets.listing import files_below, folders_in, has_own_pictures, has_pictures, size_of
from teachmatters.datasets.parts import DIVIDED
from teachmatters.datasets.pictures import read_picture
from teachmatters.datasets.shards import Shards
from teachmatters.datasets.tar_members import tars_below
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageFolder(Dataset):
    """Pictures below a folder, sorted by relative path.

    ``train/`` and ``val/`` with a folder per class each: gallery and queries, and ``all`` is val. A folder per class:
    labelled. Pictures lying directly in the folder: not labelled, whatever else is below. Only the part that is asked
    for is listed.

    Args:
        root: the folder.

    Raises:
        TeachMattersError: there is no picture; says what was looked for and what was found.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.parts = _parts(root)
        flat = any(has_own_pictures(root / part) for part in self.parts.values())
        found = {name for part in set(self.parts.values()) for name in _classes(root / part)} if not flat else set()
        if not flat and not found:
            raise TeachMattersError(
                f"no pictures below {root}: looked for .jpg, .jpeg, .png, .webp, .bmp, .tif, .gif and .ppm in it, in a "
                f"folder per class, and in train/ and val/; found {_found(root)}. Name another folder with --data-root"
            )
        self.classes = sorted(found)
        self.kinds = frozenset({"pictures", "labels"} if found else {"pictures"})
        self._listed: dict[str, Sequence[Item]] = {}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        part = self.parts.get(role)
        if part is None:
            return None
        if part not in self._listed:
            self._listed[part] = self._list(part)
        return self._listed[part]

    def picture(self, item: Item) -> Image:
        return read_picture(self.root / item.key)

    def split(self, kind: Kind) -> str:
        return self.parts["all"] or "all"

    def _list(self, part: str) -> list[Item]:
        labels = {name: label for label, name in enumerate(self.classes)}
        prefix = f"{part}/" if part else ""
        found = sorted((name, size_of(entry)) for name, entry in files_below(self.root / part))
        return [
            Item(prefix + name, size, labels.get(name.partition("/")[0])) for name, size in found if size is not None
        ]


def _parts(root: Path) -> Mapping[Role, str]:
    """Which folder below the root each role is read from."""
    halves = [name for name in ("train", "val") if (root / name).is_dir()]
    if has_own_pictures(root) or not halves:
        return {"all": ""}
    if any(has_own_pictures(root / name) or not has_pictures(root / name) for name in halves):
        return {"all": ""}
    return DIVIDED if len(halves) == len({"train", "val"}) else {"all": halves[0]}


def _classes(folder: Path) -> list[str]:
    return [name for name in folders_in(folder) if has_pictures(folder / name)]


def _found(root: Path) -> str:
    return listing(sorted(entry.name for entry in root.iterdir()))


Pictures: TypeAlias = ImageFolder | Shards | ArrowFolder


def open_folder(request: DatasetRequest) -> Pictures:
    """Any folder of pictures: what ``datasets`` saved, else files, else Parquet of ``datasets``, else tar files.

    Raises:
        TeachMattersError: there is none, or it holds no picture.
    """
    root = request.root
    if root is None:
        raise TeachMattersError(f"{request.spec.name} needs a folder of pictures; name it with --data-root DIR")
    if is_saved(root):
        return ArrowFolder(root)
    if has_pictures(root):  # stops at the first; what follows looks at every file
        return ImageFolder(root)
    if has_parquet(root):
        return ArrowFolder(root)
    return Shards(root) if tars_below(root) else ImageFolder(root)


def open_imagenet(request: DatasetRequest) -> Pictures:
    """ImageNet, which must be divided and labelled.

    Raises:
        TeachMattersError: train/ or val/ has no folder per class, the usual state of val/ after unpacking.
    """
    dataset = open_folder(request)
    if "gallery" not in dataset.parts or "labels" not in dataset.kinds:
        raise TeachMattersError(
            f"{dataset.root} has no pictures in a folder per class in both train/ and val/; expected "
            f"{request.spec.layout} (sort val's pictures into their classes first)"
        )
    return dataset
