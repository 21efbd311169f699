"""PartImageNet, the original release: images of ImageNet classes with outlines of their objects' parts."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.listing import size_of
from teachmatters.datasets.images import read_image
from teachmatters.datasets.instances import Instances, Photo, read_instances
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = ("train", "val", "test")


class PartImageNet(Dataset):
    """The images of train, val and test by class and name, each with the masks of its object's parts.

    The release splits classes, not images, so its three parts are one data set here.

    Args:
        root: holds {train,val,test}.json and {train,val,test}/<wnid>/<file>.
        per_supercategory: images of each super-category, round-robin over its classes; None for all.

    Raises:
        TeachMattersError: an annotation file cannot be read.
    """

    kinds = frozenset({"images", "parts"})

    def __init__(self, root: Path, per_supercategory: int | None = None) -> None:
        self.root = root
        self.instances = {part: read_instances(root / f"{part}.json") for part in PARTS}
        names = {category.name for one in self.instances.values() for category in one.categories.values()}
        self._names = sorted(names)
        self._labels = {part: self._labels_of(one) for part, one in self.instances.items()}
        self._places = {
            key: (part, number)
            for part, one in self.instances.items()
            for key, number in one.keys(functools.partial(_path, part)).items()
        }
        keys = sampled(self._by_class(), per_supercategory)
        self._items = [Item(key, size_of(self._file(key)) or 0) for key in keys]

    def _file(self, key: str) -> Path:
        part, number = self._places[key]
        return self.root / _path(part, self.instances[part].photos[number])

    def _labels_of(self, one: Instances) -> dict[int, int]:
        """Map category ids to labels by name, because the three files may number categories differently."""
        return {number: self._names.index(category.name) for number, category in one.categories.items()}

    def _by_class(self) -> dict[str, dict[str, list[str]]]:
        """Group keys by super-category and class; a class belongs to the super-category of its first annotation."""
        above: dict[str, str] = {}
        classes: dict[str, list[str]] = {}
        for key in sorted(self._places, key=_name):
            part, number = self._places[key]
            wnid = class_of(_name(key))
            classes.setdefault(wnid, []).append(key)
            for segment in self.instances[part].segments[number][:1]:
                above.setdefault(wnid, self.instances[part].categories[segment.category].above)
        together: dict[str, dict[str, list[str]]] = {}
        for wnid, keys in classes.items():
            together.setdefault(above.get(wnid, ""), {})[wnid] = keys
        return together

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._items if role == "all" else None

    def image(self, item: Item) -> Image:
        return read_image(self._file(item.key))

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        if kind != "parts":
            return {}
        part, number = self._places[item.key]
        return {"parts": self.instances[part].masks(number, self._labels[part])}

    def categories(self, kind: Kind) -> Sequence[str]:
        return self._names if kind == "parts" else ()

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        return [remark for one in self.instances.values() for remark in one.remarks()]

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        return [one.path for one in self.instances.values()] if kind == "parts" else ()


def _path(part: str, photo: Photo) -> str:
    return f"{part}/{class_of(photo.name)}/{photo.name}"


def class_of(name: str) -> str:
    """Return the WordNet id at the start of an image's name.

    >>> class_of("n01440764_10029.JPEG")
    'n01440764'
    """
    return name.partition("_")[0]


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def sampled(supercategories: Mapping[str, Mapping[str, Sequence[str]]], most: int | None) -> list[str]:
    """Sample images of each super-category round-robin over its classes; return them sorted by class and name.

    Args:
        supercategories: the keys of each class of each super-category; classes and keys sorted.
        most: images of a super-category; None for all.

    >>> fish = {"n1": ["val/n1/n1_a", "val/n1/n1_b"], "n2": ["val/n2/n2_a"], "n3": ["val/n3/n3_a", "val/n3/n3_b"]}
    >>> sampled({"Fish": fish}, 4)
    ['val/n1/n1_a', 'val/n1/n1_b', 'val/n2/n2_a', 'val/n3/n3_a']
    """
    chosen: list[str] = []
    for classes in supercategories.values():
        in_turn = (key for turn in zip_longest(*classes.values()) for key in turn if key is not None)
        chosen += islice(in_turn, most)
    return sorted(chosen, key=_name)


def open_partimagenet(request: DatasetRequest) -> PartImageNet:
    """Open PartImageNet with ``per_supercategory`` images of each super-category.

    Raises:
        TeachMattersError: there is no root, or an annotation file is damaged.
    """
    if request.root is None:
        raise TeachMattersError("partimagenet needs its folder, which holds train.json; name it with --data-root DIR")
    return PartImageNet(request.root, request.parameters.get("per_supercategory"))
