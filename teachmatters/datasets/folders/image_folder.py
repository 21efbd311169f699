"""Folders of images, with or without classes and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.arrow import ArrowFolder, has_parquet, is_saved
from teachmatters.datasets.folders.layout import WORDS, class_remarks, file_remarks, layout_of, unused_remarks
from teachmatters.datasets.folders.listing import ImageTree, files_below, has_images, passed_directly, size_of
from teachmatters.datasets.folders.shards import Shards
from teachmatters.datasets.folders.tar_members import tars_below
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageFolder(Dataset):
    """Images in a folder, sorted by relative path, with the splits and classes of layout.py. Parts are listed lazily.

    A key is the path, with the part in place of the split's folder: ``Validation/cats/1.jpg`` is ``val/cats/1.jpg``.

    Args:
        root: the folder.
        upright: apply the EXIF orientation.

    Raises:
        TeachMattersError: there is no image, or two folders are the same split.
    """

    def __init__(self, root: Path, *, upright: bool = False) -> None:
        self.root, self.upright, self.tree = root, upright, ImageTree(root)
        self.layout = layout_of(self.tree)
        self.parts, self.classes = self.layout.parts, list(self.layout.classes)
        if not self.classes and not any(map(self.tree.has_own, self.layout.folders.values())):
            raise TeachMattersError(
                f"no images below {root}: looked for .jpg, .png and other files that Pillow reads; found "
                f"{listing(sorted(entry.name for entry in root.iterdir()))}. Unpack archives, or name another folder "
                "with --data-root"
            )
        self.kinds = frozenset({"images", "labels"} if self.classes else {"images"})
        self._listed: dict[str, Sequence[Item]] = {}
        self._passed: dict[str, Counter[str]] = {}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        part = self.parts.get(role)
        if part is None:
            return None
        if part not in self._listed:
            self._listed[part] = self._list(part)
        return self._listed[part]

    def image(self, item: Item) -> Image:
        return read_image(self.root / self._path(item.key), upright=self.upright)

    def split(self, kind: Kind) -> str:
        return self.parts["all"] or "all"

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        parts = {self.parts.get(role, self.parts["all"]) for role in items}
        passed = Counter() if "" in parts else passed_directly(self.root)
        for part in parts & self._passed.keys():
            passed += self._passed[part]
        unused = unused_remarks([f"{name}/" for name in self.layout.unused], self.parts)
        told = [*(self._about_classes() if kind == "labels" else ()), *unused]
        return [*told, *self._empty(parts), *file_remarks(passed)] if items else told

    def _about_classes(self) -> list[str]:
        """Return remarks on classes that are likely a mistake, or on missing labels."""
        folders = self.layout.folders.values()
        if len(self.classes) == 1:
            inside = {name for folder in folders for name in self.tree.folders(_below(folder, self.classes[0]))}
            return class_remarks(self.classes, sorted(inside))
        flat = [folder for folder in folders if self.tree.has_own(folder)]
        if flat and any(map(self.tree.folders, folders)):
            where = listing(f"{folder}/" if folder else str(self.root) for folder in flat)
            alone = listing(f"{folder}/" for folder in folders if folder not in flat)
            more = f"; to use {alone} alone, name it as the data set" if len(flat) < len(folders) else ""
            return [f"no labels: images are directly in {where}, not in a folder per class{more}"]
        return class_remarks(self.classes)

    def _empty(self, parts: set[str]) -> list[str]:
        """Return a remark on class or split folders without images."""
        folders = {self.layout.folders[part] for part in parts}
        missing = {folder: set(self.tree.every_folder(folder)) - set(self.tree.folders(folder)) for folder in folders}
        if "" not in folders:
            missing[""] = {name for name in self.tree.every_folder("") if name.lower() in WORDS}
            missing[""] -= set(self.tree.folders(""))
        empty = [_below(folder, name) for folder, names in sorted(missing.items()) for name in sorted(names)]
        return [f"folders without images: {listing(empty)}"] if empty else []

    def _path(self, key: str) -> str:
        part, _, rest = key.partition("/")
        return key if "" in self.layout.folders else _below(self.layout.folders[part], rest)

    def _list(self, part: str) -> list[Item]:
        labels = {name: label for label, name in enumerate(self.classes)}
        passed = self._passed[part] = Counter()
        folder = self.root / self.layout.folders[part]
        found = sorted((name, size_of(entry)) for name, entry in files_below(folder, passed=passed))
        return [
            Item(_below(part, name), size, labels.get(name.partition("/")[0]))
            for name, size in found
            if size is not None
        ]


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


Images: TypeAlias = ImageFolder | Shards | ArrowFolder


def open_folder(request: DatasetRequest) -> Images:
    """Open any folder of images and apply their EXIF orientation.

    Raises:
        TeachMattersError: there is no folder, or it has no image.
    """
    return opened(request, upright=True)


def opened(request: DatasetRequest, *, upright: bool) -> Images:
    """Open a folder of images: a table that ``datasets`` saved, else image files, else Parquet files, else tar files.

    Raises:
        TeachMattersError: there is no folder, or it has no image.
    """
    root = request.root
    if root is None:
        raise TeachMattersError(f"{request.spec.name} needs a folder of images; name it with --data-root DIR")
    if is_saved(root):
        return ArrowFolder(root, upright=upright)
    if has_images(root):  # stops at the first image; the next checks look at every file
        return ImageFolder(root, upright=upright)
    if has_parquet(root):
        return ArrowFolder(root, upright=upright)
    return Shards(root, upright=upright) if tars_below(root) else ImageFolder(root, upright=upright)
