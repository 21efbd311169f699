"""The data set ``scenes``: which pictures there are, and what is known of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.scenes.categories import CLASSES, PARTS
from teachmatters.datasets.scenes.scene import Scene, labelled
from teachmatters.datasets.scenes.seeds import VERSION, generator

if TYPE_CHECKING:
    from PIL.Image import Image

CACHE_BYTES = 64 * 2**20


class Drawn:
    """The pictures drawn last, so that many models in one process draw each scene once."""

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._held: OrderedDict[tuple[int, int, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, name: tuple[int, int, str]) -> bytes | None:
        """The pixels, if they are still held."""
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
            return self._held.get(name)

    def put(self, name: tuple[int, int, str], pixels: bytes) -> None:
        """Hold these, and let the oldest go."""
        with self._lock:
            self._bytes += len(pixels) - len(self._held.pop(name, b""))
            self._held[name] = pixels
            while self._bytes > self._most:
                self._bytes -= len(self._held.popitem(last=False)[1])


_DRAWN = Drawn()


class Scenes(Dataset):
    """Pictures of jointed things, drawn when asked for.

    Args:
        size: of the pictures, in pixels; the same scenes at every size.
        world: the seed of everything.
        train, val: pictures of each split.
    """

    kinds = frozenset({"pictures", "labels", "masks", "parts"})
    classes = CLASSES

    def __init__(self, size: int = 64, world: int = 0, train: int = 1200, val: int = 600) -> None:
        self._size, self._world = size, world
        self._splits = {"train": _labelled("train", train), "val": _labelled("val", val)}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._splits["train" if kind == "labels" and role == "gallery" else "val"]

    def split(self, kind: Kind) -> str:
        return "val"

    def picture(self, item: Item) -> Image:
        from PIL import Image

        from teachmatters.datasets.scenes.paint import draw

        name = self._world, self._size, item.key
        pixels = _DRAWN.get(name)
        if pixels is None:
            pixels = draw(self._scene(item), self._size).tobytes()
            _DRAWN.put(name, pixels)
        return Image.frombytes("RGB", (self._size, self._size), pixels)

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        from teachmatters.datasets.scenes.masks import Seen

        if kind == "masks":
            return {"objects": Seen(self._scene(item), self._size).objects()}
        if kind == "parts":
            return {"parts": Seen(self._scene(item), self._size).parts()}
        return {}

    def categories(self, kind: Kind) -> Sequence[str]:
        return {"masks": CLASSES, "parts": PARTS}.get(kind, ())

    def caption(self, item: Item) -> str:
        """What the picture shows.

        >>> scenes = Scenes()
        >>> scenes.caption(scenes.items("labels", "all")[0])
        'a banded pink bird gliding against clouds'
        """
        from teachmatters.datasets.scenes.words import caption

        stream, number = _place(item)
        return caption(self._scene(item), generator(self._world, f"words/{stream}", number))

    def _scene(self, item: Item) -> Scene:
        stream, number = _place(item)
        return labelled(self._world, stream, number)


def _labelled(split: str, count: int) -> list[Item]:
    """Items of a split; the categories take turns, so every one has as many pictures."""
    return [Item(f"scenes-{VERSION}/{split}/{number:05d}", 0, number % len(CLASSES)) for number in range(count)]


def _place(item: Item) -> tuple[str, int]:
    """The stream of an item, and its number there."""
    _, stream, number = item.key.split("/")
    return stream, int(number)


def open_scenes(request: DatasetRequest) -> Scenes:
    """The scenes, at the size and of the world that the parameters ask for."""
    return Scenes(**request.parameters)
