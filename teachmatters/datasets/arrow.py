"""Pictures in a table of Hugging Face ``datasets``: what ``save_to_disk`` wrote, or Parquet files of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, Item, Kind, Role
from teachmatters.datasets.parts import part_named, roles_of
from teachmatters.datasets.pictures import read_picture
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from PIL.Image import Image

SAVED = ("dataset_dict.json", "state.json")
PARQUET = ("*.parquet", "data/*.parquet")


def is_arrow(root: Path) -> bool:
    """Whether a folder is one of ``datasets``."""
    return any((root / name).is_file() for name in SAVED) or any(any(root.glob(pattern)) for pattern in PARQUET)


class ArrowFolder(Dataset):
    """The rows of a table with a column of pictures, in their order; a key is the split and the row's number.

    The splits ``train`` and ``validation`` (or ``val``, else ``test``) are gallery and queries. A column of class
    labels makes them labelled. Opening reads no picture: their sizes are those that the table keeps.

    Args:
        root: the folder.

    Raises:
        TeachMattersError: it cannot be read, no column holds pictures, or the package is not installed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        splits = _splits(root)
        self.parts = roles_of(splits)
        self._rows = {part: splits[part] for part in set(self.parts.values())}
        first = next(iter(self._rows.values()))
        self._picture = _column(root, first.features, "Image", ("image", "img"))
        self._label, self.classes = _labels(first.features)
        self.kinds = frozenset({"pictures", "labels"} if self._label else {"pictures"})
        self._items = {part: self._listed(part, rows) for part, rows in self._rows.items()}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        part = self.parts.get(role)
        return None if part is None else self._items[part]

    def picture(self, item: Item) -> Image:
        part, _, number = item.key.rpartition("/")
        found = self._rows[part][int(number)][self._picture]
        if found["bytes"] is None:
            return read_picture(self.root / found["path"])
        return read_picture(BytesIO(found["bytes"]), item.key)

    def split(self, kind: Kind) -> str:
        return self.parts["all"] or "all"

    def _listed(self, part: str, rows: Any) -> list[Item]:
        import pyarrow.compute as pc

        table = rows.with_format("arrow")
        sizes: list[int | None] = []
        labels: list[int | None] = []
        for batch in table.iter(batch_size=10_000):
            sizes += pc.binary_length(pc.struct_field(batch[self._picture], "bytes")).to_pylist()
            labels += batch[self._label].to_pylist() if self._label else [None] * batch.num_rows
        return [
            Item(f"{part}/{number:08d}", size or 0, _known(label))
            for number, (size, label) in enumerate(zip(sizes, labels, strict=True))
        ]


def _known(label: int | None) -> int | None:
    """The hub marks a hidden label by -1."""
    return None if label is None or label < 0 else label


def _splits(root: Path) -> dict[str, Any]:
    """Each split with its pictures left undecoded; the only one there is may have any name."""
    try:
        import datasets
    except ImportError:
        raise TeachMattersError(
            f"{root} is a table of Hugging Face datasets; reading it needs datasets: pip install 'teachmatters[hf]'"
        ) from None
    saved = any((root / name).is_file() for name in SAVED)
    try:
        found = datasets.load_from_disk(str(root)) if saved else datasets.load_dataset(str(root))
    except Exception as error:  # noqa: BLE001  it raises whatever the library below it raised
        reason = " ".join(str(error).split())[:200]
        raise TeachMattersError(f"{root} cannot be read by the package datasets: {reason}") from None
    if not isinstance(found, Mapping):
        return {"": _undecoded(found)}
    named = {part_named(name) or "": rows for name, rows in found.items()}
    if "test" in found:
        named.setdefault("val", found["test"])
    return {part: _undecoded(rows) for part, rows in named.items()}


def _undecoded(rows: Any) -> Any:
    from datasets import Image

    for name, feature in rows.features.items():
        if isinstance(feature, Image):
            rows = rows.cast_column(name, Image(decode=False))
    return rows


def _column(root: Path, features: Mapping[str, Any], kind: str, usual: Sequence[str]) -> str:
    """The column of a kind: the one with a usual name, else the first."""
    able = [name for name, feature in features.items() if type(feature).__name__ == kind]
    if not able:
        raise TeachMattersError(
            f"{root} has no column of pictures; its columns are {listing(features)}. In datasets, "
            "'cast_column(NAME, Image())' makes one"
        )
    return next((name for name in usual if name in able), able[0])


def _labels(features: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The column of classes and their names; nothing where there is none."""
    able = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    if not able:
        return "", []
    name = next((name for name in ("label", "labels", "fine_label") if name in able), able[0])
    return name, list(features[name].names)
