"""ImageNet-50: fifty classes of ImageNet's training images, as the paper lists them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.listing import entries, size_of
from teachmatters.datasets.images import is_image, read_image
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from PIL.Image import Image

LIST = Path(__file__).with_suffix(".txt")


@cache
def fifty_classes() -> dict[str, str]:
    """Return the names of the classes by WordNet id, in the list's order.

    >>> list(fifty_classes().items())[0], len(fifty_classes())
    (('n01601694', 'Dipper'), 50)
    """
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return {wnid: name for wnid, _, name in (line.partition(" ") for line in lines) if name}


class ImageNet50(Dataset):
    """The first images by name of each of the fifty classes in train/; other folders are not read.

    Args:
        root: holds train/<wnid>/*.JPEG.
        per_class: images of each class.

    Raises:
        TeachMattersError: classes are missing or have no images; the message names the first ones.
    """

    kinds = frozenset({"images", "labels"})

    def __init__(self, root: Path, per_class: int) -> None:
        self.root = root
        self.classes = list(fifty_classes().values())
        missing = [wnid for wnid in fifty_classes() if not (root / "train" / wnid).is_dir()]
        if missing:
            raise TeachMattersError(
                f"{root / 'train'} lacks {len(missing)} of imagenet50's fifty classes: {listing(missing, 3)}; expected "
                "train/<wnid>/*.JPEG as ImageNet unpacks"
            )
        self._items = [item for label in range(len(self.classes)) for item in self._first(label, per_class)]

    def _first(self, label: int, per_class: int) -> list[Item]:
        folder = f"train/{list(fifty_classes())[label]}"
        names = sorted(entry.name for entry in entries(self.root / folder) if is_image(entry.name))[:per_class]
        if not names:
            raise TeachMattersError(f"{self.root / folder} holds no images; imagenet50 needs all fifty classes")
        return [Item(f"{folder}/{name}", size_of(self.root / folder / name) or 0, label) for name in names]

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._items if role == "all" else None

    def image(self, item: Item) -> Image:
        return read_image(self.root / item.key)

    def split(self, kind: Kind) -> str:
        return "train"


def open_imagenet50(request: DatasetRequest) -> ImageNet50:
    """Open ImageNet-50 with ``per_class`` images of each class.

    Raises:
        TeachMattersError: there is no root, or a class is missing.
    """
    if request.root is None:
        raise TeachMattersError("imagenet50 needs ImageNet's folder, which holds train/; name it with --data-root")
    per_class = request.parameters.get("per_class", 100)
    assert isinstance(per_class, int)  # declared so
    return ImageNet50(request.root, per_class)
