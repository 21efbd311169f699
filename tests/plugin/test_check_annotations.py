"""Tests of faults in annotations, on generated data that are damaged by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from teachmatters.api import Box, Dataset, IndexMask, Item, Kind, Mask, Pair, Points, Role, SemanticMask
from teachmatters.plugin.checks.annotations import check_annotations
from teachmatters.plugin.findings import CheckFailed

MASK = np.zeros((6, 8), np.uint8)
FRAMES = [Item(f"frame {n}", 0, group=f"video {n // 2}", units=(n // 2,)) for n in range(4)]


class Drawn(Dataset):
    """Four black images, and whatever is to be said of them."""

    kinds: frozenset[Kind] = frozenset({"masks", "parts", "semantic", "videos", "pairs", "retrieval"})

    def __init__(self, told: Mapping[str, Any], items: Sequence[Item] = FRAMES, pairs: Sequence[Pair] = ()) -> None:
        self.told, self._items, self._pairs = told, items, pairs

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return {"all": self._items, "queries": self._items[:2], "gallery": self._items[2:]}[role]

    def image(self, item: Item) -> Image.Image:
        return Image.new("RGB", (8, 6))

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        return self.told

    def categories(self, kind: Kind) -> Sequence[str]:
        return ("one",)

    def pairs(self) -> Sequence[Pair]:
        return self._pairs


def pair(source: int = 0, points: tuple[int, ...] = (0,)) -> Pair:
    return Pair(source=source, target=1, source_points=points, target_points=(0,), category="one")


BOX, POINTS = Box(0, 0, 1, 1), Points(np.zeros((1, 2)))
FOUND = {"box": BOX, "easy": (0,), "hard": (1,), "junk": ()}
Case = tuple[Kind, Callable[[], Drawn], str]

RIGHT: list[tuple[Kind, Drawn]] = [
    ("masks", Drawn({"objects": (Mask(MASK, 0),)})),
    ("parts", Drawn({"parts": ()})),
    ("semantic", Drawn({"mask": SemanticMask(MASK)})),
    ("semantic", Drawn({"mask": SemanticMask(MASK + 255)})),
    ("videos", Drawn({"mask": IndexMask(MASK)})),
    ("pairs", Drawn({"box": BOX, "points": POINTS}, pairs=[pair()])),
    ("retrieval", Drawn(FOUND)),
]
WRONG: list[tuple[Kind, Drawn, str]] = [
    ("masks", Drawn({}), "'objects' must be a tuple of Mask, not NoneType"),
    ("parts", Drawn({"objects": ()}), "'parts' must be a tuple of Mask"),
    ("masks", Drawn({"objects": (Mask(MASK.T, 0),)}), "a mask is uint8 (8, 6): it must be uint8 (6, 8) like the image"),
    ("masks", Drawn({"objects": (Mask(MASK > 0, 0),)}), "a mask is bool (6, 8)"),  # type: ignore[arg-type]
    ("masks", Drawn({"objects": (Mask(MASK + 1, 0),)}), "values other than 0 and 255"),
    ("masks", Drawn({"objects": (Mask(MASK, 1),)}), "a mask has the label 1, of 1 categories"),
    ("semantic", Drawn({"mask": IndexMask(MASK)}), "'mask' must be a SemanticMask, not IndexMask"),
    ("semantic", Drawn({"mask": SemanticMask(MASK.T)}), "a mask is uint8 (8, 6)"),
    (
        "semantic",
        Drawn({"mask": SemanticMask(MASK + 3)}),
        "the mask has the value 3; allowed are 1 categories from 0, and 255 for void",
    ),
    ("videos", Drawn({"mask": MASK}), "'mask' must be an IndexMask, not ndarray"),
    ("videos", Drawn({"mask": IndexMask(MASK[1:])}), "a mask is uint8 (5, 8)"),
    ("videos", Drawn({"mask": IndexMask(MASK)}, FRAMES[:2]), "there must be several"),
    ("videos", Drawn({"mask": IndexMask(MASK)}, FRAMES[::2] + FRAMES[1::2]), "are not consecutive"),
    ("videos", Drawn({"mask": IndexMask(MASK)}, [Item(i.key, 0, group=i.group) for i in FRAMES]), "has no units"),
    ("pairs", Drawn({"box": BOX, "points": POINTS}), "pairs() is empty"),
    ("pairs", Drawn({"box": BOX, "points": POINTS}, pairs=[pair(9)]), "outside its 4 items"),
    (
        "pairs",
        Drawn({"box": BOX, "points": POINTS}, pairs=[pair(points=(0, 1))]),
        "different numbers of source and target points",
    ),
    ("pairs", Drawn({"box": BOX}, pairs=[pair()]), "'box' must be a Box and 'points' Points"),
    ("pairs", Drawn({"box": BOX, "points": Points(np.zeros(2))}, pairs=[pair()]), "points are (2,)"),
    ("retrieval", Drawn(FOUND | {"box": (0, 0, 1, 1)}), "'box' must be a Box, or left out"),
    ("retrieval", Drawn(FOUND | {"easy": [0]}), "must be tuples of positions"),
    ("retrieval", Drawn(FOUND | {"junk": (2,)}), "a position outside the gallery's 2"),
]


@pytest.mark.parametrize(("kind", "dataset"), RIGHT)
def test_correct_annotations_pass(kind: Kind, dataset: Drawn) -> None:
    check_annotations(dataset, kind, FRAMES[:1])


@pytest.mark.parametrize(("kind", "dataset", "words"), WRONG)
def test_wrong_annotations_are_named(kind: Kind, dataset: Drawn, words: str) -> None:
    with pytest.raises(CheckFailed) as found:
        check_annotations(dataset, kind, FRAMES[:1])
    assert words in str(found.value)
