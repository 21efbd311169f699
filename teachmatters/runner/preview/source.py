"""The data of one section of a contact sheet: one kind of data of an open data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from PIL import Image

from teachmatters.api import Dataset, Item, Kind, Role
from teachmatters.runner.plan.datasets import OpenDataset, items_of
from teachmatters.runner.preview import tiles
from teachmatters.runner.preview.tiles import GAP

COLUMNS, TILE = 8, 152
WIDTH = COLUMNS * TILE + (COLUMNS - 1) * GAP

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of data of an open data set."""

    opened: OpenDataset
    kind: Kind

    @property
    def dataset(self) -> Dataset:
        """Return the data set itself."""
        return self.opened.dataset

    def items(self, role: Role = "all") -> Sequence[Item]:
        """Return every item of a role."""
        return items_of(self.opened, self.kind, (role,), None)[role]

    def annotations(self, item: Item) -> Mapping[str, Any]:
        """Return the annotations of an item, in pixels of its image."""
        return self.dataset.annotations(item, self.kind)

    def heading(self, counts: str, names: Sequence[str] = ()) -> Image.Image:
        """Draw the kind, the counts and the names of its classes or categories."""
        listed = f": {', '.join(names[:40])}" if names else ""
        head = tiles.words(self.kind, 110, 17, bold=True)
        return tiles.row([head, tiles.words(counts + listed, WIDTH - 110 - GAP, 13, tiles.FAINT)])

    def shown(self, item: Item, width: int = TILE, height: int = TILE) -> tuple[Image.Image, float] | None:
        """Return an image as large as fits, and its scale; None if it cannot be read."""
        try:
            image = self.dataset.image(item).convert("RGB")
        except (OSError, ValueError, SyntaxError):  # the exceptions that the contract allows for a bad image
            return None
        small = tiles.fitted(image, width, height)
        return small, max(small.width / image.width, small.height / image.height)


def spread(things: Sequence[T], most: int) -> list[T]:
    """Return at most this many evenly spaced items, including the first and the last.

    >>> spread("abcdefghi", 3), spread("ab", 3), spread("abc", 1)
    (['a', 'e', 'i'], ['a', 'b'], ['a'])
    """
    count = min(most, len(things))
    return [things[i * (len(things) - 1) // max(1, count - 1)] for i in range(count)]
