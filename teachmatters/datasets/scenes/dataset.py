"""The data set ``scenes``: its items and their annotations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from teachmatters.api import Dataset, DatasetRequest, IndexMask, Item, Kind, Pair, Points, Role, SemanticMask
from teachmatters.datasets.scenes import pairs, retrieval, videos
from teachmatters.datasets.scenes.categories import CLASSES, PARTS
from teachmatters.datasets.scenes.masks import VisibleMask, box
from teachmatters.datasets.scenes.paint import draw
from teachmatters.datasets.scenes.scene import Scene, labelled
from teachmatters.datasets.scenes.seeds import VERSION, generator
from teachmatters.datasets.scenes.words import caption

CACHE_BYTES = 64 * 2**20


class Drawn:
    """A cache of recent images, so that several models in one process draw each scene once."""

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._held: OrderedDict[tuple[int, int, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, name: tuple[int, int, str]) -> bytes | None:
        """Return the pixels, if they are in the cache."""
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
            return self._held.get(name)

    def put(self, name: tuple[int, int, str], pixels: bytes) -> None:
        """Store pixels and drop the oldest."""
        with self._lock:
            self._bytes += len(pixels) - len(self._held.pop(name, b""))
            self._held[name] = pixels
            while self._bytes > self._most:
                self._bytes -= len(self._held.popitem(last=False)[1])


_DRAWN = Drawn()

# By the middle of an item's key: a function of the world and the item's number that makes the scene.
STREAMS: Mapping[str, Callable[[int, int], Scene]] = {
    "train": lambda world, number: labelled(world, "train", number),
    "val": lambda world, number: labelled(world, "val", number),
    "query": retrieval.query_scene,
    "gallery": retrieval.gallery_scene,
    "video": videos.frame,
    "pairs": pairs.pair_scene,
}


class Scenes(Dataset):
    """Images of articulated objects, drawn on request.

    Args:
        size: the size of the images, in pixels; the scenes are the same at every size.
        world: seed of the data set.
        train, val: number of images of each split.
    """

    kinds = frozenset({"images", "labels", "masks", "parts", "semantic", "retrieval", "videos", "pairs"})
    classes = CLASSES

    def __init__(self, size: int = 64, world: int = 0, train: int = 1200, val: int = 600) -> None:
        self._size, self._world = size, world
        self._splits = {"train": _labelled("train", train), "val": _labelled("val", val)}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        if kind == "retrieval":
            queries = [_item("query", number) for number in range(retrieval.QUERIES)]
            gallery = [_item("gallery", place) for place in range(len(retrieval.gallery(self._world)))]
            return {"queries": queries, "gallery": gallery, "all": queries + gallery}[role]
        if kind == "videos":
            return _frames(self._world)
        if kind == "pairs":
            return [_item("pairs", n, units=units) for n, units in enumerate(pairs.units(self._world))]
        return self._splits["train" if kind in {"labels", "semantic"} and role == "gallery" else "val"]

    def split(self, kind: Kind) -> str:
        return "val" if kind in {"images", "labels", "masks", "parts", "semantic"} else "all"

    def image(self, item: Item) -> Image.Image:
        name = self._world, self._size, item.key
        pixels = _DRAWN.get(name)
        if pixels is None:
            pixels = draw(self._scene(item), self._size).tobytes()
            _DRAWN.put(name, pixels)
        return Image.frombytes("RGB", (self._size, self._size), pixels)

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        stream, number = _place(item)
        if kind == "retrieval":
            return self._asked(number) if stream == "query" else {}
        if kind == "pairs":
            return self._marked(number)
        if kind in {"images", "labels"}:
            return {}
        seen = VisibleMask(self._scene(item), self._size)
        if kind == "videos":
            return {"mask": IndexMask(seen.numbers())}
        if kind == "semantic":
            return {"mask": SemanticMask(seen.categories())}
        return {"objects": seen.objects()} if kind == "masks" else {"parts": seen.parts()}

    def categories(self, kind: Kind) -> Sequence[str]:
        return {"masks": CLASSES, "parts": PARTS, "semantic": ("ground", *CLASSES)}.get(kind, ())

    def pairs(self) -> Sequence[Pair]:
        return pairs.all_pairs(self._world)

    def caption(self, item: Item) -> str:
        """Describe the image in words.

        >>> scenes = Scenes()
        >>> scenes.caption(scenes.items("labels", "all")[0])
        'a banded green bird gliding looking left against clouds'
        """
        stream, number = _place(item)
        return caption(self._scene(item), generator(self._world, f"words/{stream}", number))

    def _scene(self, item: Item) -> Scene:
        stream, number = _place(item)
        return STREAMS[stream](self._world, number)

    def _asked(self, query: int) -> Mapping[str, Any]:
        figure = retrieval.query_scene(self._world, query).figures[0]
        return {"box": box(figure, self._size), **retrieval.found(self._world, query)}

    def _marked(self, number: int) -> Mapping[str, Any]:
        places = np.array(list(pairs.keypoints(self._world, number).values()), dtype=np.complex128) * self._size
        figure = pairs.pair_scene(self._world, number).figures[0]
        return {"box": box(figure, self._size), "points": Points(np.stack([places.real, places.imag], axis=1))}


def _labelled(split: str, count: int) -> list[Item]:
    """List the items of a split; the categories alternate, so all have the same number of images."""
    return [_item(split, number, label=number % len(CLASSES)) for number in range(count)]


def _frames(world: int) -> list[Item]:
    """List all frames of all videos, in order."""
    return [
        _item("video", video * videos.MOST + frame, group=f"video-{video + 1}", units=(video,))
        for video in range(videos.VIDEOS)
        for frame in range(videos.length(world, video))
    ]


def _item(
    stream: str, number: int, *, label: int | None = None, group: str = "", units: tuple[int, ...] | None = None
) -> Item:
    return Item(f"scenes-{VERSION}/{stream}/{number:05d}", 0, label, group, units)


def _place(item: Item) -> tuple[str, int]:
    """Return the stream of an item, and its number in it."""
    _, stream, number = item.key.split("/")
    return stream, int(number)


def open_scenes(request: DatasetRequest) -> Scenes:
    """Open the scenes with the size and world of the parameters."""
    return Scenes(**request.parameters)
