"""A generated data set with every kind of data: coloured blocks with two parts each, on grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teachmatters.api import (
    VOID,
    Box,
    Dataset,
    DatasetRequest,
    DatasetSpec,
    IndexMask,
    Item,
    Kind,
    Mask,
    Pair,
    Points,
    Role,
    SemanticMask,
)
from teachmatters.hookspecs import hookimpl

COLOURS = ((200, 40, 40), (40, 160, 40), (60, 60, 220))
KINDS: tuple[Kind, ...] = ("labels", "masks", "pairs", "parts", "images", "retrieval", "semantic", "videos")


class AnnotatedToys(Dataset):
    """Twelve images of 60 x 40 pixels; image i shows one block of colour i % 3, its upper half darker.

    Image 7 cannot be read; image 4 has no objects; query 1 has nothing easy; the second video has two objects and
    void.
    """

    kinds: frozenset[Kind] = frozenset(KINDS)
    classes = ("red", "green", "a blue with a very long name that fits nowhere")

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        every = [Item(f"folder/{i}.png", 0, label=i % 3) for i in range(12)]
        if kind == "retrieval":
            return {"queries": every[:3], "gallery": every[3:], "all": every}[role]
        if role != "all":
            return None
        if kind == "videos":
            frames = [(video, frame) for video in range(2) for frame in range(10 - 8 * video)]
            return [Item(f"clip{v}/{f}", 0, group=f"clip{v}", units=(v,)) for v, f in frames]
        return every

    def block(self, item: Item) -> tuple[int, int, int, int]:
        number = int(item.key.split("/")[1].split(".")[0])
        left, top = 4 + 3 * number, 6 + number % 3
        return left, top, left + 14, top + 20

    def image(self, item: Item) -> Image.Image:
        if item.key == "folder/7.png":
            raise OSError("image file is truncated")
        image = Image.new("RGB", (60, 40), (150, 150, 150))
        left, top, right, bottom = self.block(item)
        colour = COLOURS[item.label or 0]
        image.paste(colour, (left, top, right, bottom))
        image.paste((colour[0] // 2, colour[1] // 2, colour[2] // 2), (left, top, right, top + 10))
        return image

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        left, top, right, bottom = self.block(item)
        label = item.label or 0
        if kind == "masks":
            none = item.key == "folder/4.png"
            return {"objects": () if none else (Mask(filled(left, top, right, bottom), label),)}
        if kind == "parts":
            return {
                "parts": (
                    Mask(filled(left, top, right, top + 10), 0),
                    Mask(filled(left, top + 10, right, bottom), 1 + label),
                )
            }
        if kind == "semantic":
            pixels = np.where(filled(left, top, right, bottom) > 0, np.uint8(label), np.uint8(VOID))
            pixels[:, :3] = (label + 1) % 3
            return {"mask": SemanticMask(pixels)}
        if kind == "videos":
            pixels = filled(left, top, right, bottom) // 255
            if item.group == "clip1":
                pixels = np.maximum(pixels, filled(40, 25, 55, 35) // 255 * 2)
                pixels[:4] = 255
            return {"mask": IndexMask(pixels)}
        if kind == "pairs":
            corners = [[left, top], [right - 1, top], [left, bottom - 1], [right - 1, bottom - 1]]
            return {"box": Box(left, top, right, bottom), "points": Points(np.array(corners, dtype=np.float64))}
        if kind == "retrieval":
            number = int(item.key[7])
            easy = () if number == 1 else (0, 3, 6, 7)
            return {"box": Box(left - 3, top - 3, right, bottom), "easy": easy, "hard": (1, 2), "junk": (5,)}
        return {}

    def categories(self, kind: Kind) -> Sequence[str]:
        return ("top", "red leg", "green leg", "blue leg") if kind == "parts" else self.classes

    def pairs(self) -> Sequence[Pair]:
        both = [(0, 3), (1, 4), (2, 5), (0, 6)]
        return [
            Pair(
                source=one,
                target=other,
                source_points=(0, 1, 3),
                target_points=(0, 1, 3),
                category=self.classes[one],
                difficulty={"viewpoint": one, "scale": 0},
            )
            for one, other in both
        ]


def filled(left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
    mask = np.zeros((40, 60), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def open_annotated_toys(request: DatasetRequest) -> AnnotatedToys:
    return AnnotatedToys()


@hookimpl
def register_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="annotated-toys",
            summary="coloured blocks",
            kinds=frozenset(KINDS),
            factory="tests.annotated_toys:open_annotated_toys",
            bundled=True,
        )
    ]
