"""Check the annotations of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from teachmatters.api import VOID, Box, Dataset, IndexMask, Item, Kind, Mask, Points, SemanticMask
from teachmatters.plugin.findings import CheckFailed


def check_annotations(dataset: Dataset, kind: Kind, items: Sequence[Item]) -> None:
    """Check the annotations of some items, and the requirements on all items of the kind.

    Raises:
        CheckFailed: with the first problem.
    """
    for item in items:
        told = dataset.annotations(item, kind)
        if not isinstance(told, Mapping):
            raise CheckFailed(f"annotations of {item.key!r} are a {type(told).__name__}, not a mapping of names")
        if (look := _LOOKS.get(kind)) is not None:
            for message in look(dataset, item, told):
                raise CheckFailed(f"annotations of {item.key!r}: {message}")
    whole = dataset.items(kind, "all") or ()
    for message in _WHOLES.get(kind, lambda *_: ())(dataset, whole):
        raise CheckFailed(message)


Told = Mapping[str, Any]


def _masks(dataset: Dataset, item: Item, told: Told) -> Iterator[str]:
    yield from _of_masks(dataset, item, told, "masks", "objects")


def _parts(dataset: Dataset, item: Item, told: Told) -> Iterator[str]:
    yield from _of_masks(dataset, item, told, "parts", "parts")


def _of_masks(dataset: Dataset, item: Item, told: Told, kind: Kind, name: str) -> Iterator[str]:
    masks = told.get(name)
    if not isinstance(masks, tuple) or not all(isinstance(mask, Mask) for mask in masks):
        yield f"{name!r} must be a tuple of Mask, not {type(masks).__name__}"
        return
    for mask in masks:
        yield from _of_pixels(dataset, item, mask.pixels)
        if set(np.unique(mask.pixels).tolist()) - {0, 255}:
            yield "a mask has values other than 0 and 255"
        if not 0 <= mask.label < len(dataset.categories(kind)):
            yield f"a mask has the label {mask.label}, of {len(dataset.categories(kind))} categories"


def _of_pixels(dataset: Dataset, item: Item, pixels: Any) -> Iterator[str]:
    width, height = dataset.image(item).size
    shape = getattr(pixels, "shape", None)
    if shape != (height, width) or pixels.dtype != np.uint8:
        yield f"a mask is {getattr(pixels, 'dtype', '?')} {shape}: it must be uint8 {(height, width)} like the image"


def _semantic(dataset: Dataset, item: Item, told: Told) -> Iterator[str]:
    mask = told.get("mask")
    if not isinstance(mask, SemanticMask):
        yield f"'mask' must be a SemanticMask, not {type(mask).__name__}"
        return
    yield from _of_pixels(dataset, item, mask.pixels)
    classes = len(dataset.categories("semantic"))
    if odd := sorted(set(np.unique(mask.pixels).tolist()) - {*range(classes), VOID}):
        yield f"the mask has the value {odd[0]}; allowed are {classes} categories from 0, and {VOID} for void"


def _videos(dataset: Dataset, item: Item, told: Told) -> Iterator[str]:
    mask = told.get("mask")
    if not isinstance(mask, IndexMask):
        yield f"'mask' must be an IndexMask, not {type(mask).__name__}"
    else:
        yield from _of_pixels(dataset, item, mask.pixels)


def _pairs(dataset: Dataset, item: Item, told: Told) -> Iterator[str]:
    if not isinstance(told.get("box"), Box) or not isinstance(points := told.get("points"), Points):
        yield "'box' must be a Box and 'points' Points"
    elif points.xy.ndim != 2 or points.xy.shape[1] != 2:
        yield f"points are {points.xy.shape}: they must be (points, 2), x and y in pixels"


def _retrieval(dataset: Dataset, item: Item, told: Told) -> Iterator[str]:
    queries, gallery = (dataset.items("retrieval", role) for role in ("queries", "gallery"))
    if queries is None or gallery is None:
        yield "items of kind retrieval need queries and a gallery"
    elif item in queries:
        if not isinstance(told.get("box"), Box | None):
            yield "'box' must be a Box, or left out"
        lists = [told.get(name) for name in ("easy", "hard", "junk")]
        if not all(isinstance(each, tuple) for each in lists):
            yield "'easy', 'hard' and 'junk' must be tuples of positions in the gallery"
        elif any(not 0 <= place < len(gallery) for each in lists for place in each or ()):
            yield f"it names a position outside the gallery's {len(gallery)}"


def _whole_videos(dataset: Dataset, items: Sequence[Item]) -> Iterator[str]:
    """Check that the frames of a video are consecutive, and that ``units`` numbers the videos."""
    names = [name for name, _ in groupby(item.group for item in items)]
    if "" in names or len(names) < 2:
        yield "a frame's group must name its video, and there must be several videos"
    if len(set(names)) < len(names):
        yield "the frames of a video are not consecutive in its items"
    yield from _of_units(items)


def _whole_pairs(dataset: Dataset, items: Sequence[Item]) -> Iterator[str]:
    pairs = dataset.pairs()
    if not pairs:
        yield "pairs() is empty"
    if any(not 0 <= place < len(items) for pair in pairs for place in (pair.source, pair.target)):
        yield f"pairs() names a position outside its {len(items)} items"
    if any(len(pair.source_points) != len(pair.target_points) for pair in pairs):
        yield "a pair has different numbers of source and target points"
    yield from _of_units(items)


def _of_units(items: Sequence[Item]) -> Iterator[str]:
    if odd := next((item for item in items if not item.units), None):
        yield f"{odd.key!r} has no units: give the numbers of the --limit units that need it"


_LOOKS: Mapping[Kind, Callable[[Dataset, Item, Told], Iterator[str]]] = {
    "masks": _masks,
    "parts": _parts,
    "semantic": _semantic,
    "videos": _videos,
    "pairs": _pairs,
    "retrieval": _retrieval,
}
_WHOLES: Mapping[Kind, Callable[[Dataset, Sequence[Item]], Iterator[str]]] = {
    "videos": _whole_videos,
    "pairs": _whole_pairs,
}
