"""Revisited Oxford and Paris: retrieval of buildings, with easy, hard and junk images for each query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Box, Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.listing import size_of
from teachmatters.datasets.images import read_image
from teachmatters.datasets.pickles.plain import read_plain_pickle
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

LEVELS = ("easy", "hard", "junk")
MOST_WORDS = 200  # characters of what is wrong with a file


class Landmarks(Dataset):
    """The images of ``imlist`` as gallery and those of ``qimlist`` as queries, in the order of the lists.

    Args:
        root: holds jpg/ and the ground truth.
        truth: the file with the ground truth.

    Raises:
        TeachMattersError: the ground truth cannot be read or has another structure.
    """

    kinds = frozenset({"images", "retrieval"})

    def __init__(self, root: Path, truth: Path) -> None:
        self.root, self.truth = root, truth
        try:
            names, asked, known = _read(truth)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            raise TeachMattersError(
                f"{truth} is not the ground truth of a retrieval data set ({why[:MOST_WORDS]}); expected "
                "a pickle of imlist, qimlist and gnd with bbx, easy, hard and junk for each query"
            ) from None
        self._gallery = [self._item(name) for name in names]
        twice = set(names)
        # A query is cropped, so it is another input than the same image in the gallery.
        self._queries = [self._item(name, " as query" if name in twice else "") for name in asked]
        self._known = {item.key: facts for item, facts in zip(self._queries, known, strict=True)}

    def _item(self, name: str, suffix: str = "") -> Item:
        key = f"jpg/{name}.jpg"
        return Item(key + suffix, size_of(self.root / key) or 0)

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        if kind == "retrieval":
            return {"queries": self._queries, "gallery": self._gallery, "all": [*self._queries, *self._gallery]}[role]
        return self._gallery if role == "all" else None

    def image(self, item: Item) -> Image:
        return read_image(self.root / item.key.removesuffix(" as query"))

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        return self._known.get(item.key, {}) if kind == "retrieval" else {}

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        return [self.truth] if kind == "retrieval" else []


def _read(path: Path) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Return the names of the gallery and of the queries, and each query's box and positions in the gallery."""
    content = read_plain_pickle(path)
    names, asked = [_name(name) for name in content["imlist"]], [_name(name) for name in content["qimlist"]]
    known = [
        {"box": _box(facts["bbx"]), **{level: _positions(facts[level], len(names)) for level in LEVELS}}
        for facts in content["gnd"]
    ]
    if len(known) != len(asked):
        raise ValueError(f"{len(asked)} queries, but gnd for {len(known)}")
    if len(set(names)) < len(names) or len(set(asked)) < len(asked):
        raise ValueError("a list has the same name twice")
    return names, asked, known


def _box(given: Sequence[float]) -> Box:
    corners = [float(each) for each in given]
    if not all(map(math.isfinite, corners)):
        raise ValueError(f"a box {corners}")
    return Box(*corners)


def _name(name: object) -> str:
    """Check an image's name: it becomes part of a path and must not leave the folder."""
    if not isinstance(name, str) or not name or ".." in name.split("/") or name.startswith("/") or "\\" in name:
        raise ValueError(f"{name!r} is not the name of an image")
    return name


def _positions(given: Sequence[int], count: int) -> tuple[int, ...]:
    positions = tuple(int(each) for each in given)
    if any(not 0 <= each < count for each in positions):
        raise ValueError(f"a position outside of imlist, which holds {count}")
    return positions


def open_landmarks(request: DatasetRequest) -> Landmarks:
    """Open ``roxford5k`` or ``rparis6k``, by the spec's name.

    Raises:
        TeachMattersError: there is no root, or the ground truth cannot be read.
    """
    name = request.spec.name
    if request.root is None:
        raise TeachMattersError(f"{name} needs its folder, which holds jpg/ and gnd_{name}.pkl; name it: --data-root")
    return Landmarks(request.root, request.root / f"gnd_{name}.pkl")
