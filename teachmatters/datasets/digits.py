"""scikit-learn's handwritten digits as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role

if TYPE_CHECKING:
    from PIL.Image import Image

# The largest value in the data; it is mapped to 255.
DARKEST = 16


class Digits(Dataset):
    """1,797 grey images of 8 x 8 pixels, labelled 0 to 9; the transform enlarges them."""

    kinds = frozenset({"images", "labels"})
    classes = tuple("0123456789")

    def __init__(self) -> None:
        import numpy as np
        from sklearn.datasets import load_digits

        data = load_digits()
        self._pixels = (data.images * (255 / DARKEST)).round().astype(np.uint8)
        size = self._pixels[0].size
        self._items = [Item(f"{index:04d}", size, int(label)) for index, label in enumerate(data.target)]

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._items if role == "all" else None

    def image(self, item: Item) -> Image:
        from PIL import Image

        return Image.fromarray(self._pixels[int(item.key)]).convert("RGB")


def open_digits(request: DatasetRequest) -> Digits:
    """Open the digits.

    >>> digits = open_digits(None)
    >>> item = digits.items("labels", "all")[0]
    >>> item.key, item.label, digits.image(item).size
    ('0000', 0, (8, 8))
    """
    return Digits()
