"""Images with the class of every pixel, from masks in another folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import VOID, Dataset, Item, Kind, Role, SemanticMask
from teachmatters.datasets.folders.listing import size_of
from teachmatters.datasets.images import read_image, read_index_mask
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


class MaskedImages(Dataset):
    """Images in the order of their lists, each with an indexed mask.

    Args:
        root: the folder that the keys are relative to.
        parts: the keys of the images by role: ``queries`` and ``gallery``, or ``all``.
        mask_of: returns the relative path of a key's mask.
        names: the names of the classes; None to number them up to the largest number in the masks.
        first: the number of the first class in the masks; smaller numbers, and 255, are void.
        split: the name of the split of all roles but the gallery.
    """

    kinds = frozenset({"images", "semantic"})

    def __init__(
        self,
        root: Path,
        parts: Mapping[Role, Sequence[str]],
        mask_of: Callable[[str], str],
        names: Sequence[str] | None,
        *,
        first: int = 0,
        split: str = "all",
    ) -> None:
        self.root, self.mask_of, self.first, self._split = root, mask_of, first, split
        self._items = {role: [Item(key, size_of(root / key) or 0) for key in keys] for role, keys in parts.items()}
        self._names = names

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        if role == "all":
            return self._items.get("all", self._items.get("queries"))
        return self._items.get(role) if kind == "semantic" else None

    def image(self, item: Item) -> Image:
        return read_image(self.root / item.key)

    def split(self, kind: Kind) -> str:
        return self._split

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        path = self.root / self.mask_of(item.key)
        return {"mask": SemanticMask(self._classes(path))} if kind == "semantic" and path.is_file() else {}

    def _classes(self, path: Path) -> NDArray[np.uint8]:
        """Read the index of each pixel's class.

        Raises:
            TeachMattersError: a pixel has a class that the data set does not know.
        """
        import numpy as np

        values = read_index_mask(path)
        known = np.where(values < self.first, VOID, values - self.first).astype(np.uint8)
        known[values == VOID] = VOID
        largest = int(known[known != VOID].max(initial=0))
        if self._names is not None and largest >= len(self._names):
            raise TeachMattersError(
                f"{path} holds {largest + self.first}; its {len(self._names)} classes go from {self.first} to "
                f"{len(self._names) - 1 + self.first}, and 255 is void"
            )
        return known

    def categories(self, kind: Kind) -> Sequence[str]:
        return () if kind != "semantic" else self._numbers if self._names is None else self._names

    @cached_property
    def _numbers(self) -> Sequence[str]:
        """Return the numbers from 0 to the largest in a mask."""
        largest = 0
        for path in self.annotation_files("semantic"):
            values = read_index_mask(path)
            largest = max(largest, int(values[values != VOID].max(initial=0)))
        return [str(number) for number in range(largest + 1)]

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        paths = [self.root / self.mask_of(item.key) for item in self._every()] if kind == "semantic" else []
        return [path for path in paths if path.is_file()]

    def missing(self, kind: Kind) -> Sequence[str]:
        return self._without_mask(self._every()) if kind == "semantic" else []

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        used = [item for members in items.values() for item in members] if kind == "semantic" else []
        masks = self._without_mask(used)
        return [f"masks that are not there: {listing(masks)}"] if masks else []

    def _every(self) -> list[Item]:
        return [item for members in self._items.values() for item in members]

    def _without_mask(self, items: Sequence[Item]) -> list[str]:
        return [path for path in (self.mask_of(item.key) for item in items) if not (self.root / path).is_file()]
