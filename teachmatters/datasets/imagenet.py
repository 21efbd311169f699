"""ImageNet-1k as unpacked: train/ in class folders, val/ in class folders or flat with the official list."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import DatasetRequest, Item, Kind, Role
from teachmatters.datasets.folders.image_folder import ImageFolder, Images, opened
from teachmatters.datasets.folders.layout import class_remarks
from teachmatters.datasets.folders.listing import files_below, size_of
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

CSV = "LOC_val_solution.csv"
DEVKIT = ("ILSVRC2012_devkit_t12/data", "data", "devkit/data", "")
TRUTH, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
# Leaves of the devkit's synset tree; they have the lowest numbers.
CLASSES = 1000
NEEDED = (
    f"the devkit's {TRUTH} and {META} (ILSVRC2012_devkit_t12.tar.gz, unpacked next to val/), or {CSV} of Kaggle next "
    "to val/, or val/'s images sorted into a folder per class"
)


class FlatImageNet(ImageFolder):
    """ImageNet with a flat val/; keys, order and labels equal those of class folders.

    Args:
        root: holds train/<wnid>/ and val/*.JPEG.
        classes: the WordNet id of each image of val/, by its name without suffix.

    Raises:
        TeachMattersError: val/ holds no image of the list.
    """

    def __init__(self, root: Path, classes: Mapping[str, str]) -> None:
        super().__init__(root)
        self._val = self.layout.folders["val"]
        passed = self._passed["val"] = Counter()
        found = [(name, size_of(entry) or 0) for name, entry in files_below(root / self._val, passed=passed)]
        listed = sorted((f"val/{wnid}/{name}", size) for name, size in found if (wnid := classes.get(_stem(name))))
        if not listed:
            raise TeachMattersError(f"{root / self._val} has no image that the official list names; expected {NEEDED}")
        self._unlisted = len(found) - len(listed)
        self._absent = len(classes) - len(listed)
        self.classes = sorted({*self.tree.folders(self.layout.folders["train"]), *(_class(key) for key, _ in listed)})
        self.kinds = frozenset({"images", "labels"})
        labels = {wnid: label for label, wnid in enumerate(self.classes)}
        self._listed["val"] = [Item(key, size, labels[_class(key)]) for key, size in listed]

    def image(self, item: Item) -> Image:
        part, _, name = item.key.split("/", 2)
        return read_image(self.root / self._val / name) if part == "val" else super().image(item)

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        counts = {
            "images of val/ that the official list does not name": self._unlisted,
            "images of the official list that are not in val/": self._absent,
        }
        told = [f"{what}: {count:,}" for what, count in counts.items() if count]
        return [*told, *super().remarks(kind, items)]

    def _about_classes(self) -> list[str]:
        return class_remarks(self.classes)


def open_imagenet(request: DatasetRequest) -> Images:
    """Open ImageNet, which needs splits and labels.

    Raises:
        TeachMattersError: train/ or val/ has no class folders, and val/ has no official list next to it.
    """
    dataset = opened(request, upright=False)
    if isinstance(dataset, ImageFolder) and _is_raw(dataset):
        return FlatImageNet(dataset.root, val_classes(dataset.root))
    if "gallery" not in dataset.parts or "labels" not in dataset.kinds:
        raise TeachMattersError(
            f"{dataset.root} has no images in a folder per class in both train/ and val/; expected "
            f"{request.spec.layout}"
        )
    return dataset


def _is_raw(dataset: ImageFolder) -> bool:
    """Return True if train/ has class folders and val/ does not."""
    folders, tree = dataset.layout.folders, dataset.tree
    if not {"train", "val"} <= set(folders):
        return False
    return tree.has_own(folders["val"]) and not tree.has_own(folders["train"])


def val_classes(root: Path) -> dict[str, str]:
    """Return the WordNet id of each image of val, by its name without suffix, from the official list.

    Args:
        root: the folder that holds val/.

    Raises:
        TeachMattersError: there is no list, or it is damaged.
    """
    devkits = (root / folder for folder in DEVKIT)
    readers: list[tuple[Callable[[Path], dict[str, str]], Path]] = [
        *((_of_devkit, folder / TRUTH) for folder in devkits),
        *((_of_csv, folder / CSV) for folder in (root, *root.resolve().parents[2:3])),  # as Kaggle unpacks it
    ]
    read, path = next(((read, path) for read, path in readers if path.is_file()), (None, None))
    if read is None or path is None:
        raise TeachMattersError(f"{root / 'val'} is not sorted into classes and has no list of them; expected {NEEDED}")
    try:
        return read(path)
    except Exception as error:  # noqa: BLE001  SciPy raises many kinds for a damaged meta.mat
        what = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise TeachMattersError(
            f"{path} cannot be read as ImageNet's list of val ({what}); expected {NEEDED}"
        ) from None


def _of_csv(path: Path) -> dict[str, str]:
    """Read lines like ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``: the class, then boxes."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}


def _of_devkit(path: Path) -> dict[str, str]:
    """Read the class number of image n from line n, and its WordNet id from meta.mat."""
    from scipy.io import loadmat

    with path.with_name(META).open("rb") as file:
        synsets = loadmat(file, squeeze_me=True, variable_names=["synsets"])["synsets"]
    wnids = {int(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in synsets}
    numbers = [int(line) for line in path.read_text("utf-8-sig").split()]
    if odd := next((number for number in numbers if not 1 <= number <= CLASSES), None):
        raise ValueError(f"the class {odd} is not from 1 to {CLASSES}")
    return {f"ILSVRC2012_val_{place:08d}": wnids[number] for place, number in enumerate(numbers, start=1)}


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _class(key: str) -> str:
    return key.split("/")[1]
