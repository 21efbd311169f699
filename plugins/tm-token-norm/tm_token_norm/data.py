"""Checkerboards of increasing fineness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role


# --8<-- [start:dataset]
class Checkers(Dataset):
    """Checkerboards of 2, 4, 6 ... squares a side.

    Args:
        boards: number of images.
    """

    kinds = frozenset({"images"})

    def __init__(self, boards: int) -> None:
        self._items = [Item(f"board-{number:02d}", size=0) for number in range(1, boards + 1)]

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._items if role == "all" else None

    def image(self, item: Item) -> Image.Image:
        squares = 2 * int(item.key.removeprefix("board-"))
        board = (np.indices((squares, squares)).sum(axis=0) % 2 * 255).astype(np.uint8)
        return Image.fromarray(board).resize((256, 256), Image.Resampling.NEAREST).convert("RGB")


def open_checkers(request: DatasetRequest) -> Checkers:
    """Open the number of boards that ``--param boards`` gives."""
    return Checkers(request.parameters["boards"])


# --8<-- [end:dataset]
