"""Small generated data for retrieval, videos and keypoints, with all annotations in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from teachmatters.api import (
    Box,
    Dataset,
    DatasetRequest,
    DatasetSpec,
    IndexMask,
    Item,
    Kind,
    Pair,
    Parameter,
    Points,
    Role,
)

WIDTH, HEIGHT, FRAMES = 60, 40, 5
CATEGORIES = ("ant", "bee")


class ToyTasks(Dataset):
    """Five queries in a gallery of fifteen, three videos, and ten pairs among eight images.

    Query 4 has no positive and query 3 no hard one; video 2 has no object, and void pixels surround the others' after
    the first frame. What is named in ``bad`` cannot be read.
    """

    kinds: frozenset[Kind] = frozenset({"images", "retrieval", "videos", "pairs"})

    def __init__(self, bad: str = "") -> None:
        self.bad = set(bad.split(",")) - {""}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        if kind == "videos":
            keys = [(v, f) for v in range(3) for f in range(FRAMES)]
            return [Item(f"film {v} frame {f}", 0, group=f"film{v}", units=(v,)) for v, f in keys]
        if kind == "pairs":
            pairs = self.pairs()
            standing = [tuple(n for n, p in enumerate(pairs) if i in (p.source, p.target)) for i in range(8)]
            return [Item(f"insect {i}", 0, group=CATEGORIES[i // 4], units=standing[i]) for i in range(8)]
        return [
            Item(f"{'query' if role == 'queries' else 'place'} {i}", 0) for i in range(5 if role == "queries" else 15)
        ]

    def image(self, item: Item) -> Image.Image:
        if item.key in self.bad:
            raise OSError("image file is truncated")
        word, number, *frame = item.key.split()[0], *(int(w) for w in item.key.split() if w.isdigit())
        alike = number % 5 if word in ("query", "place") else number // 4 if word == "insect" else number
        base = np.random.default_rng(alike).integers(0, 255, (5, 7, 3))
        own = np.random.default_rng(100 + number).integers(-60, 60, (5, 7, 3))
        image = Image.fromarray((base + own).clip(0, 255).astype(np.uint8)).resize((WIDTH, HEIGHT))
        for x, y in self._square(frame[0]) if frame else []:
            image.paste((255, 40, 40), (x, y, x + 16, y + 16))
        return image

    @staticmethod
    def _square(frame: int) -> list[tuple[int, int]]:
        return [(4 + 6 * frame, 3), (40 - 5 * frame, 22)]

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        number = int(item.key.split()[1])
        if kind == "videos":
            return {"mask": IndexMask(self._mask(number, int(item.key.split()[3])))}
        if kind == "pairs":
            return {"box": Box(5, 4, 45 + number, 36), "points": Points(self._points(number))}
        if kind != "retrieval" or not item.key.startswith("query"):
            return {}
        positive = [(), (0, 10), (5,)] if number == 0 else [(), (number, number + 5), (number + 10,)]
        easy, hard = {3: (positive[1], ()), 4: ((), ())}.get(number, positive[1:])
        return {"box": Box(10, 5, 50, 35), "easy": easy, "hard": hard, "junk": (number + 6,)}

    def _mask(self, video: int, frame: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for label, (x, y) in enumerate(self._square(frame)[: 2 if video < 2 else 0], start=1):
            if frame:
                mask[max(y - 1, 0) : y + 17, max(x - 1, 0) : x + 17] = 255
            mask[y : y + 16, x : x + 16] = label
        return mask

    @staticmethod
    def _points(number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        inside = np.random.default_rng(number // 4).uniform(0.1, 0.9, (6, 2)) * (WIDTH, HEIGHT)
        inside += np.random.default_rng(number).uniform(-2, 2, (6, 2))  # nearly where the others of its kind are
        return np.concatenate([inside, [[0.0, 0.0], [WIDTH, HEIGHT]]])  # two of them on the border

    def pairs(self) -> Sequence[Pair]:
        links = [(0, 1), (4, 5), (1, 2), (5, 6), (2, 3), (6, 7), (3, 0), (7, 4), (0, 2), (4, 6)]
        return [
            Pair(
                source=a,
                target=b,
                source_points=tuple(range(n % 3, 8)),
                target_points=tuple(range(n % 3, 8)),
                category=CATEGORIES[a // 4],
                difficulty={"viewpoint": n % 3},
            )
            for n, (a, b) in enumerate(links)
        ]


def toy_tasks(request: DatasetRequest) -> ToyTasks:
    return ToyTasks(request.parameters["bad"])


TOY_TASKS = DatasetSpec(
    name="toy-tasks",
    summary="for tests",
    kinds=ToyTasks.kinds,
    factory="tests.toy_tasks:toy_tasks",
    bundled=True,
    parameters=(Parameter(name="bad", kind="str", default="", summary="keys that cannot be read"),),
)
