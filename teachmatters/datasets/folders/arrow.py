"""Images in a table of Hugging Face ``datasets``: a folder of ``save_to_disk``, or Parquet files of the hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, Item, Kind, Role
from teachmatters.datasets.folders.layout import WORDS, class_remarks, part_named, roles_of, unused_remarks
from teachmatters.datasets.folders.listing import size_of
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from PIL.Image import Image

SAVED = ("dataset_dict.json", "state.json")
PARQUET = ("*.parquet", "data/*.parquet")


def is_saved(root: Path) -> bool:
    """Return whether ``save_to_disk`` of ``datasets`` wrote a folder."""
    return any((root / name).is_file() for name in SAVED)


def has_parquet(root: Path) -> bool:
    """Return whether a folder has Parquet files in the layout of the hub."""
    return any(any(root.glob(pattern)) for pattern in PARQUET)


class ArrowFolder(Dataset):
    """The rows of a table with a column of images, in order.

    The splits ``train`` and ``validation`` (or ``val``, else ``test``) are gallery and queries; a single split may have
    any name. A column of class labels gives labels. A key is the path that the image had in a folder (part, class and
    file name), or else part and row number if the table has no file names. Opening reads no image: the sizes come from
    the table, or from the files that it names.

    Args:
        root: the folder.
        upright: apply the EXIF orientation.

    Raises:
        TeachMattersError: the table cannot be read or has no images, or the package is not installed.
    """

    def __init__(self, root: Path, *, upright: bool = False) -> None:
        self.root, self.upright = root, upright
        splits, unread = _splits(root)
        self.parts = roles_of(splits)
        self._rows = {part: splits[part] for part in set(self.parts.values())}
        self._unused = [*unread, *(part for part in splits if part not in self._rows)]
        features = self._rows[self.parts["all"]].features
        self._image = _column(root, features, "Image", ("image", "img"))
        self._label, self.classes = _labels(features)
        for name in filter(None, (self._image, self._label)):
            if any(rows.features.get(name) != features[name] for rows in self._rows.values()):
                raise TeachMattersError(f"{root}: column {name!r} is not the same in all splits; 'cast' makes it so")
        self.kinds = frozenset({"images", "labels"} if self._label else {"images"})
        self._numbers: dict[str, int] = {}
        self._items = {part: self._listed(part, rows) for part, rows in self._rows.items()}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        part = self.parts.get(role)
        return None if part is None else self._items[part]

    def image(self, item: Item) -> Image:
        part = next(part for part in self._rows if not part or item.key.startswith(f"{part}/"))
        found = self._rows[part][self._numbers[item.key]][self._image]
        if found is None:
            raise ValueError(f"{item.key}: the table has no image in this row")
        if found["bytes"] is None:
            return read_image(self.root / found["path"], upright=self.upright)
        return read_image(BytesIO(found["bytes"]), item.key, upright=self.upright)

    def split(self, kind: Kind) -> str:
        return self.parts["all"] or "all"

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        told = unused_remarks(self._unused, self.parts)
        if "split" in self._rows[self.parts["all"]].features:
            told.append("column 'split' is ignored; make each of its values a split of the table")
        return [*class_remarks(self.classes), *told] if kind == "labels" else told

    def _listed(self, part: str, rows: Any) -> list[Item]:
        sizes: list[int] = []
        labels: list[int | None] = []
        names: list[str] = []
        for batch in rows.with_format("arrow").iter(batch_size=10_000):
            sizes += self._sizes(batch[self._image])
            labels += map(_known, batch[self._label].to_pylist() if self._label else [None] * batch.num_rows)
            names += _file_names(batch[self._image])
        keys = self._keys(part, names, labels)
        self._numbers |= {key: number for number, key in enumerate(keys)}
        return [Item(*each) for each in zip(keys, sizes, labels, strict=True)]

    def _keys(self, part: str, names: Sequence[str], labels: Sequence[int | None]) -> list[str]:
        """Return paths as in a folder, or row numbers if a file or class is unknown or two paths are equal."""
        folders = ["" if label is None else self.classes[label] for label in labels]
        keys = ["/".join(filter(None, (part, *each))) for each in zip(folders, names, strict=True)]
        if all(names) and (all(folders) or not self._label) and len(set(keys)) == len(keys):
            return keys
        return [f"{part}/{number:08d}".lstrip("/") for number in range(len(keys))]

    def _sizes(self, column: Any) -> list[int]:
        """Return sizes in bytes, of images in the table or of the files that it names."""
        import pyarrow.compute as pc

        sizes = pc.binary_length(pc.struct_field(column, "bytes")).to_pylist()
        if None not in sizes:
            return list(sizes)
        paths = pc.struct_field(column, "path").to_pylist()
        return [
            size if size is not None else (path and size_of(self.root / path)) or 0
            for size, path in zip(sizes, paths, strict=True)
        ]


def _known(label: int | None) -> int | None:
    """Return None for a hidden label, which the hub marks by -1."""
    return None if label is None or label < 0 else label


def _file_names(column: Any) -> list[str]:
    """Return the file names of the images, "" if unknown."""
    import pyarrow.compute as pc

    paths = pc.struct_field(column, "path").to_pylist()
    return [(path or "").replace("\\", "/").rpartition("/")[2] for path in paths]


def _splits(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the splits, with images not decoded, and the names of unused splits; a single split may have any name."""
    try:
        import datasets
    except ImportError:
        raise TeachMattersError(
            f"{root} is a table of Hugging Face datasets; reading it needs datasets: pip install 'teachmatters[hf]'"
        ) from None
    try:
        found = datasets.load_from_disk(str(root)) if is_saved(root) else datasets.load_dataset(str(root))
    except Exception as error:  # noqa: BLE001  it raises whatever the library below it raised
        reason = " ".join(str(error).split())[:200]
        raise TeachMattersError(f"{root} cannot be read by the package datasets: {reason}") from None
    if not isinstance(found, Mapping):
        return {"": _undecoded(found)}, []
    chosen = _by_part(root, found)
    unread = [name for name in found if name not in chosen.values()]
    return {part: _undecoded(found[name]) for part, name in chosen.items()}, unread


def _by_part(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the split of each part: the one of that name, else the only one with that word in its name."""
    able: dict[str, list[str]] = {}
    for name in names:
        able.setdefault(part_named(name), []).append(name)
    if len(able) > 1:
        able.pop("", None)  # splits of other names
    chosen = {part: [name for name in some if name in WORDS] or some for part, some in able.items()}
    for some in chosen.values():
        if len(some) > 1:
            raise TeachMattersError(
                f"{root} has the splits {listing(some)}, and none is called train, validation or test; rename one, or "
                "keep only one"
            )
    return {part: name for part, (name,) in chosen.items()}


def _undecoded(rows: Any) -> Any:
    from datasets import Image

    for name, feature in rows.features.items():
        if isinstance(feature, Image):
            rows = rows.cast_column(name, Image(decode=False))
    return rows


def _column(root: Path, features: Mapping[str, Any], kind: str, usual: Sequence[str]) -> str:
    """Return the column of a kind: the one with a usual name, else the first."""
    able = [name for name, feature in features.items() if type(feature).__name__ == kind]
    if not able:
        raise TeachMattersError(
            f"{root} has no column of images; its columns are {listing(features)}. In datasets, "
            "'cast_column(NAME, Image())' makes one"
        )
    return next((name for name in usual if name in able), able[0])


def _labels(features: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the column of class labels and the class names; empty without such a column."""
    able = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    if not able:
        return "", []
    name = next((name for name in ("label", "labels", "fine_label") if name in able), able[0])
    return name, list(features[name].names)
