"""Annotation files in COCO's format: images, categories and the outlines of objects."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from teachmatters.api import Mask
from teachmatters.datasets.images import MOST_PIXELS
from teachmatters.datasets.outlines import Outline, draw, outline_of
from teachmatters.errors import TeachMattersError, listing


@dataclass(frozen=True, slots=True)
class Photo:
    """One image of an annotation file; ``path`` is the name in the file, ``name`` its last part."""

    path: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Return the file's name, without folders."""
        return Path(self.path).name


@dataclass(frozen=True, slots=True)
class Category:
    """A category of outlines; ``above`` is its super-category."""

    name: str
    above: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One annotation: the id of its category, and its outline."""

    category: int
    outline: Outline


@dataclass(frozen=True, slots=True)
class Instances:
    """The content of an annotation file; images and categories by id, segments by the image's id.

    Attributes:
        astray: number of annotations by image id, for images that the file does not list.
    """

    path: Path
    photos: Mapping[int, Photo]
    categories: Mapping[int, Category]
    segments: Mapping[int, Sequence[Segment]]
    astray: Mapping[object, int]

    def keys(self, key_of: Callable[[Photo], str]) -> dict[str, int]:
        """Return the id of each image by its item's key, in the file's order.

        Two image entries for one file are two items, each with its own annotations.

        Raises:
            TeachMattersError: two files in different folders have the same key.
        """
        found: dict[str, int] = {}
        for number, photo in self.photos.items():
            key = key_of(photo)
            first = self.photos[found.setdefault(key, number)]
            if first.path != photo.path:
                raise TeachMattersError(
                    f"{self.path} lists {first.path} and {photo.path}, which map to the same file, {key}; give them "
                    "different names"
                )
            found[key if found[key] == number else f"{key} (id {number})"] = number
        return found

    def remarks(self) -> list[str]:
        """Return sentences about inconsistencies in the file."""
        told = []
        twice = [name for name, count in Counter(photo.name for photo in self.photos.values()).items() if count > 1]
        if twice:
            told.append(f"{self.path.name} lists {listing(twice, 3)} more than once; each counts as a separate image")
        if self.astray:
            ids = listing((f"id {number}" for number in self.astray), 3)
            told.append(
                f"{self.path.name} has {sum(self.astray.values()):,} annotations of images that it does not list "
                f"({ids}); they are left out"
            )
        return told

    def masks(self, photo: int, labels: Mapping[int, int]) -> tuple[Mask, ...]:
        """Draw an image's masks in the file's order, crowds included; ``labels`` are by category id.

        Raises:
            TeachMattersError: an outline cannot be drawn.
        """
        size = self.photos[photo].height, self.photos[photo].width
        try:
            return tuple(Mask(draw(each.outline, *size), labels[each.category]) for each in self.segments[photo])
        except (ValueError, TypeError, OverflowError) as error:
            name = self.photos[photo].name
            raise TeachMattersError(
                f"{self.path} has a damaged mask for {name}: {error}; fetch the file again"
            ) from None


def read_instances(path: Path) -> Instances:
    """Read an annotation file; several analyses of one command share the result.

    Raises:
        TeachMattersError: the file cannot be read or is not in COCO's format.
    """
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise TeachMattersError(f"cannot read {path} ({error.strerror}); check its path and permissions") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise TeachMattersError(f"{path} is damaged or not in COCO's format ({what}); fetch the file again") from None


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> Instances:
    content = json.loads(path.read_bytes())
    photos = {number: _photo(number, each) for number, each in _by_id(content, "images")}
    categories = {number: _category(number, each) for number, each in _by_id(content, "categories")}
    segments: dict[int, list[Segment]] = {photo: [] for photo in photos}
    astray: Counter[object] = Counter()
    for place, each in enumerate(_listed(content, "annotations"), start=1):
        what = f"annotation {each.get('id', f'number {place}')}"
        if (category := _of(each, "category_id", what)) not in categories:
            raise ValueError(f"{what} has the unknown category {category}")
        if (image := _of(each, "image_id", what)) not in photos:
            astray[image] += 1
            continue
        segments[image].append(Segment(category, outline_of(_of(each, "segmentation", what))))
    return Instances(path, photos, categories, segments, astray)


def _listed(content: Any, name: str) -> list[Any]:
    """Return one of the lists in a file."""
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"it has no list of {name}")
    return found


def _by_id(content: Any, name: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the members of a list, each with its id."""
    found = [(_of(each, "id", f"one of its {name}"), each) for each in _listed(content, name)]
    twice = [number for number, count in Counter(number for number, _ in found).items() if count > 1]
    if twice:
        raise ValueError(f"several of its {name} have the id {twice[0]}")
    return found


def _of(entry: Mapping[str, Any], key: str, what: str) -> Any:
    if entry.get(key) is None:
        raise ValueError(f"{what} has no {key}")
    return entry[key]


def _photo(number: int, entry: Mapping[str, Any]) -> Photo:
    name, width, height = (_of(entry, key, f"image {number}") for key in ("file_name", "width", "height"))
    if not isinstance(name, str):
        raise ValueError(f"the file_name of image {number} is not a string: {name!r}")
    width, height = int(width), int(height)
    if not 0 < width * height <= MOST_PIXELS or min(width, height) <= 0:
        raise ValueError(f"image {number} has {width} x {height} pixels")
    return Photo(name, width, height)


def _category(number: int, entry: Mapping[str, Any]) -> Category:
    return Category(_of(entry, "name", f"category {number}"), entry.get("supercategory", ""))
