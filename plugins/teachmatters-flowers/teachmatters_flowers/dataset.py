"""Oxford 102 Flowers, in the layout that its authors publish."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.errors import TeachMattersError

# --8<-- [start:dataset]
# By split: the part of setid.mat with the queries, and the parts of the gallery.
PARTS = {"test": ("tstid", ("trnid", "valid")), "val": ("valid", ("trnid",))}


class Flowers(Dataset):
    """The images of a split as queries and ``all``; the images that it may learn from are the gallery.

    Args:
        root: holds jpg/, imagelabels.mat and setid.mat.
        split: ``test`` or ``val``.

    Raises:
        TeachMattersError: a .mat file is missing, damaged, or not of this data set.
    """

    kinds = frozenset({"images", "labels"})

    def __init__(self, root: Path, split: str) -> None:
        self.root, self._split = root, split
        asked, gallery = PARTS[split]
        (labels,) = read(root / "imagelabels.mat", "labels")
        parts = dict(zip(("trnid", "valid", "tstid"), read(root / "setid.mat", "trnid", "valid", "tstid"), strict=True))
        if max(number for part in parts.values() for number in part) > len(labels):
            raise TeachMattersError(
                f"{root / 'setid.mat'} names more images than the {len(labels)} of imagelabels.mat; fetch both again"
            )
        self.classes = [f"flower {number}" for number in range(1, max(labels) + 1)]
        self._queries = [self._item(number, labels) for number in parts[asked]]
        self._gallery = [self._item(number, labels) for part in gallery for number in parts[part]]

    def _item(self, number: int, labels: Sequence[int]) -> Item:
        """Return the item of an image, counted from 1; the size is 0 if the file is missing, as the runner expects."""
        key = f"jpg/image_{number:05}.jpg"
        path = self.root / key
        return Item(key, path.stat().st_size if path.is_file() else 0, label=labels[number - 1] - 1)

    def items(self, kind: Kind, role: Role) -> Sequence[Item]:
        return self._gallery if role == "gallery" else self._queries

    def image(self, item: Item) -> Image.Image:
        with Image.open(self.root / item.key) as image:
            return image.convert("RGB")

    def split(self, kind: Kind) -> str:
        return self._split


# --8<-- [end:dataset]


# --8<-- [start:read]
def read(path: Path, *names: str) -> list[list[int]]:
    """Read rows of numbers from 1 in a .mat file, by name.

    Raises:
        TeachMattersError: the file does not exist or is damaged, or a row is missing or holds something else.
    """
    try:
        content = loadmat(path, variable_names=names)
        return [_numbers(content[name]) for name in names]
    except (LookupError, MatReadError, NotImplementedError, OSError, TypeError, ValueError, zlib.error) as error:
        raise TeachMattersError(
            f"cannot read {', '.join(names)} in {path} ({type(error).__name__}: {error}); expected the file that comes "
            "with Oxford 102 Flowers: fetch it again"
        ) from None


def _numbers(row: NDArray[np.generic]) -> list[int]:
    numbers = row.ravel().astype(np.int64)
    if not len(numbers) or numbers.min() < 1 or (numbers != row.ravel()).any():
        raise ValueError("whole numbers from 1 are expected")
    return [int(number) for number in numbers]


# --8<-- [end:read]


def open_flowers(request: DatasetRequest) -> Flowers:
    """Open the data set in ``request.root``, which teachmatters has found by the spec's ``folder`` and ``requires``.

    Raises:
        TeachMattersError: see Flowers.
    """
    assert request.root is not None, "only a bundled data set has none"
    return Flowers(request.root, request.parameters["split"])
