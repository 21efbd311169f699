"""The photographs inside scikit-image and scikit-learn: real images without a download."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import Dataset, DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.listing import size_of
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

# Only photographs that the wheels contain: no masks, charts, text or medical images, and one of the stereo pair of
# motorcycles.
FOLDERS = {
    ("skimage", "data"): (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "chelsea.png",
        "coffee.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "moon.png",
        "motorcycle_left.png",
        "rocket.jpg",
    ),
    ("sklearn", "datasets/images"): ("china.jpg", "flower.jpg"),
}


class Photos(Dataset):
    """The photographs, by file name.

    Raises:
        TeachMattersError: the packages contain none of them.
    """

    kinds = frozenset({"images"})

    def __init__(self) -> None:
        paths = [_package(name) / inside / file for (name, inside), files in FOLDERS.items() for file in files]
        self._paths = {path.name: path for path in sorted(paths, key=lambda path: path.name) if path.is_file()}
        if not self._paths:
            raise TeachMattersError(
                "the installed scikit-image and scikit-learn do not contain their photographs; reinstall them, or use "
                "--data folder with --data-root DIR"
            )
        self._items = [Item(name, size_of(path) or 0) for name, path in self._paths.items()]

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return self._items if role == "all" else None

    def image(self, item: Item) -> Image:
        return read_image(self._paths[item.key])


def _package(name: str) -> Path:
    """Return a package's folder without importing it."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else Path(name)


def open_photos(request: DatasetRequest) -> Photos:
    """Open the photographs.

    >>> len(open_photos(None).items("images", "all"))
    13
    """
    return Photos()
