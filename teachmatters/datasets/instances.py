"""Annotation files in COCO's format: pictures, categories and outlines, and the masks drawn of these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from teachmatters.api import Mask
from teachmatters.datasets.pictures import MOST_PIXELS
from teachmatters.errors import TeachMattersError

Outline: TypeAlias = "list[NDArray[np.float64]] | dict[str, Any]"
"""Polygons as x, y, x, y, ... or run lengths, as pycocotools takes them."""

FARTHEST = 1e5
"""Pixels from the corner to a polygon's farthest point; beyond that the file is damaged, and drawing would not end."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of an annotation file."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Category:
    """What an outline may be of; ``above`` is its super-category."""

    name: str
    above: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One annotation: the id of its category, and its outline."""

    category: int
    outline: Outline


@dataclass(frozen=True, slots=True)
class Instances:
    """The content of an annotation file; pictures and categories by id, segments by the picture's id."""

    path: Path
    photos: Mapping[int, Photo]
    categories: Mapping[int, Category]
    segments: Mapping[int, Sequence[Segment]]

    def masks(self, photo: int, labels: Mapping[int, int]) -> tuple[Mask, ...]:
        """A picture's masks in the file's order, crowds included; ``labels`` by category id.

        Raises:
            TeachMattersError: an outline cannot be drawn.
        """
        size = self.photos[photo].height, self.photos[photo].width
        try:
            return tuple(Mask(draw(each.outline, *size), labels[each.category]) for each in self.segments[photo])
        except (ValueError, TypeError, OverflowError) as error:
            name = self.photos[photo].name
            raise TeachMattersError(f"{self.path} has a damaged mask for {name}: {error}; get the file anew") from None


def read_instances(path: Path) -> Instances:
    """Read an annotation file; several analyses of one command read it once.

    Raises:
        TeachMattersError: it cannot be read, or is not in COCO's format.
    """
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise TeachMattersError(f"cannot read {path} ({error.strerror}); check its path and permissions") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise TeachMattersError(f"{path} is damaged or not in COCO's format ({what}); get the file anew") from None


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> Instances:
    content = json.loads(path.read_bytes())
    photos = {each["id"]: _photo(each) for each in content["images"]}
    categories = {each["id"]: Category(each["name"], each.get("supercategory", "")) for each in content["categories"]}
    segments: dict[int, list[Segment]] = {photo: [] for photo in photos}
    for each in content["annotations"]:
        if each["category_id"] not in categories:
            raise ValueError(f"annotation {each['id']} has the unknown category {each['category_id']}")
        segments[each["image_id"]].append(Segment(each["category_id"], _outline(each["segmentation"])))
    return Instances(path, photos, categories, segments)


def _photo(entry: Mapping[str, Any]) -> Photo:
    width, height = int(entry["width"]), int(entry["height"])
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f"image {entry['id']} has {width} x {height} pixels")
    return Photo(Path(entry["file_name"]).name, width, height)


def _outline(segmentation: Any) -> Outline:
    """Polygons of four numbers or fewer are no areas: PartImageNet has such, and they are left out."""
    if isinstance(segmentation, dict):
        return segmentation
    polygons = [np.asarray(polygon, dtype=np.float64) for polygon in segmentation if len(polygon) > 4]
    if not all(np.abs(polygon).max() < FARTHEST for polygon in polygons):
        raise ValueError("a polygon has points that are not numbers or far outside of the picture")
    return polygons


def draw(outline: Outline, height: int, width: int) -> NDArray[np.uint8]:
    """Rasterise an outline as pycocotools does.

    Args:
        outline: polygons; or run lengths, plain or compressed, of a picture of this size.
        height: of the picture.
        width: of the picture.

    Returns:
        uint8 (height, width), 0 or 255; all 0 for no polygon.

    Raises:
        ValueError, TypeError, OverflowError: run lengths that do not fit.

    >>> draw([np.array([1.0, 1, 3, 1, 3, 3, 1, 3])], 4, 4)[1].tolist()
    [0, 255, 255, 0]
    >>> draw({"size": [2, 2], "counts": [1, 3]}, 2, 2).tolist()
    [[0, 255], [255, 255]]
    """
    from pycocotools import mask

    if not outline:
        return np.zeros((height, width), np.uint8)
    if isinstance(outline, dict):
        runs = _runs(outline, height, width)
    else:
        runs = mask.merge(mask.frPyObjects(outline, height, width))
    pixels = np.ascontiguousarray(mask.decode(runs))
    if pixels.sum(dtype=np.int64) != mask.area(runs):  # what runs leave open is whatever lay in memory
        raise ValueError("its run lengths end before the picture does")
    return pixels * np.uint8(255)


def _runs(outline: dict[str, Any], height: int, width: int) -> Any:
    from pycocotools import mask

    counts = outline.get("counts")
    if list(outline.get("size", ())) != [height, width]:
        raise ValueError(f"its run lengths are for {outline.get('size')}, the picture has {[height, width]}")
    if not isinstance(counts, list):
        return outline
    if sum(counts) != height * width:
        raise ValueError(f"its run lengths sum to {sum(counts)}, the picture has {height * width} pixels")
    return mask.frPyObjects(outline, height, width)
