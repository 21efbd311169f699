"""COCO val2017: everyday scenes with the outlines of their objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.listing import size_of
from teachmatters.datasets.images import read_image
from teachmatters.datasets.instances import read_instances
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

PART = "val2017"


class Coco(Dataset):
    """The images of val2017 by ascending id, each with the masks of its objects, crowds included.

    Keys are ``val2017/<file>`` in both layouts, so both share the same cells in the store.

    Args:
        root: holds annotations/ and, next to it or in images/, val2017/.
        images: number of images, the first by id; None for all.

    Raises:
        TeachMattersError: the annotation file cannot be read.
    """

    kinds = frozenset({"images", "masks"})

    def __init__(self, root: Path, images: int | None = None) -> None:
        self.folder = root / PART if (root / PART).is_dir() else root / "images" / PART
        self.instances = read_instances(root / "annotations" / f"instances_{PART}.json")
        self._ids = self.instances.keys(lambda photo: f"{PART}/{photo.name}")
        first = sorted(self._ids, key=lambda key: self._ids[key])[:images]
        self._items = [Item(key, size_of(self._path(key)) or 0) for key in first]
        self._labels = {category: label for label, category in enumerate(sorted(self.instances.categories))}

    def _path(self, key: str) -> Path:
        return self.folder / self.instances.photos[self._ids[key]].name

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._items if role == "all" else None

    def image(self, item: Item) -> Image:
        return read_image(self._path(item.key))

    def split(self, kind: Kind) -> str:
        return PART

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        return {"objects": self.instances.masks(self._ids[item.key], self._labels)} if kind == "masks" else {}

    def categories(self, kind: Kind) -> Sequence[str]:
        return [self.instances.categories[i].name for i in self._labels] if kind == "masks" else ()

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        return self.instances.remarks()

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        return [self.instances.path] if kind == "masks" else ()


def open_coco(request: DatasetRequest) -> Coco:
    """Open the first ``images`` ids of COCO val2017.

    Raises:
        TeachMattersError: there is no root, or the annotation file is damaged.
    """
    if request.root is None:
        raise TeachMattersError("coco needs COCO's folder, which holds annotations/; name it with --data-root DIR")
    return Coco(request.root, request.parameters.get("images"))
