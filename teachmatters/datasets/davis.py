"""DAVIS 2017 val at 480p: videos with masks of all objects in each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import Dataset, DatasetRequest, IndexMask, Item, Kind, Role
from teachmatters.datasets.folders.listing import entries, size_of
from teachmatters.datasets.images import is_image, read_image, read_index_mask
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from PIL.Image import Image

VAL = Path("ImageSets") / "2017" / "val.txt"
FRAMES, MASKS = "JPEGImages/480p", "Annotations/480p"


class Davis(Dataset):
    """The videos in the order of val.txt, their frames by name.

    Args:
        root: holds JPEGImages/480p, Annotations/480p and ImageSets/2017/val.txt.

    Raises:
        TeachMattersError: val.txt names no video, or one that is not there.
    """

    kinds = frozenset({"images", "videos"})

    def __init__(self, root: Path) -> None:
        self.root = root
        names = [name for line in _read(root / VAL).splitlines() if (name := line.strip())]
        strange = [name for name in names if name.startswith(".") or set(name) & set("/\\")]
        missing = [name for name in names if name not in strange and not (root / FRAMES / name).is_dir()]
        if not names or strange or missing:
            wrong = f"names {listing(strange or missing, 3)}, not in {FRAMES}" if names else "names no video"
            raise TeachMattersError(f"{root / VAL} {wrong}; unpack DAVIS 2017 TrainVal 480p again")
        self._items = [item for number, name in enumerate(dict.fromkeys(names)) for item in self._frames(number, name)]

    def _frames(self, number: int, video: str) -> list[Item]:
        """List a video's frames by name; a frame with a mask but no image has size 0 and cannot be read."""
        folder, masks = f"{FRAMES}/{video}", self.root / MASKS / video
        names = sorted((entry.name for entry in entries(self.root / folder) if is_image(entry.name)), reverse=True)
        found = {Path(name).stem: name for name in names}  # of duplicates, the first by name
        if not found:
            raise TeachMattersError(f"{self.root / folder} holds no frames; unpack DAVIS 2017 TrainVal 480p again")
        marked = {Path(entry.name).stem for entry in entries(masks) if _is_mask(entry.name)} if masks.is_dir() else ()
        frames = [found.get(stem, f"{stem}.jpg") for stem in sorted({*found, *marked})]
        return [
            Item(f"{folder}/{name}", size_of(self.root / folder / name) or 0, group=video, units=(number,))
            for name in frames
        ]

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        if role != "all":
            return None
        return self._items if kind == "videos" else [Item(item.key, item.size) for item in self._items]

    def image(self, item: Item) -> Image:
        return read_image(self.root / item.key)

    def split(self, kind: Kind) -> str:
        return "val"

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        path = self._mask(item)
        return {"mask": IndexMask(read_index_mask(path))} if kind == "videos" and path.is_file() else {}

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        masks = [self._mask(item) for item in self._items] if kind == "videos" else []
        return [path for path in masks if path.is_file()]

    def missing(self, kind: Kind) -> Sequence[str]:
        return self._without_mask(self._items) if kind == "videos" else []

    def remarks(self, kind: Kind, items: Mapping[Role, Sequence[Item]]) -> Sequence[str]:
        every = [item for members in items.values() for item in members]
        gaps = _gaps(every)
        told = [f"frames that are not there: {listing(gaps)}"] if gaps else []
        masks = self._without_mask(every) if kind == "videos" else []
        return [*told, f"masks that are not there: {listing(masks)}"] if masks else told

    def _without_mask(self, items: Sequence[Item]) -> list[str]:
        paths = [path for path in map(self._mask, items) if not path.is_file()]
        return [path.relative_to(self.root).as_posix() for path in paths]

    def _mask(self, item: Item) -> Path:
        return self.root / Path(MASKS, *Path(item.key).parts[2:]).with_suffix(".png")


def _is_mask(name: str) -> bool:
    return name.endswith(".png") and not name.startswith(".")


def _gaps(items: Sequence[Item]) -> list[str]:
    """List frames without an image and numbers that are missing between 0 and the last frame."""
    lost = [item.key for item in items if not item.size]
    for video, frames in groupby(items, key=lambda item: item.group):
        names = [Path(item.key).stem for item in frames]
        if video and all(name.isdecimal() for name in names):
            absent = sorted(set(range(int(names[-1]) + 1)) - set(map(int, names)))
            lost += [f"{FRAMES}/{video}/{number:0{len(names[-1])}d}.jpg" for number in absent]
    return lost


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TeachMattersError(f"cannot read {path} ({error}); unpack DAVIS 2017 TrainVal 480p again") from None


def open_davis(request: DatasetRequest) -> Davis:
    """Open the videos of val.

    Raises:
        TeachMattersError: there is no root, or a video is missing.
    """
    if request.root is None:
        raise TeachMattersError("davis needs the folder DAVIS, which holds JPEGImages/480p; name it with --data-root")
    return Davis(request.root)
