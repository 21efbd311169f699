"""SPair-71k: pairs of images of one category, with keypoints that correspond."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.api import Box, Dataset, DatasetRequest, Item, Kind, Pair, Points, Role
from teachmatters.datasets.folders.listing import entries, size_of
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from PIL.Image import Image

TEST = Path("PairAnnotation") / "test"
DIFFICULTY = {
    "viewpoint": "viewpoint_variation",
    "scale": "scale_variation",
    "truncation": "truncation",
    "occlusion": "occlusion",
}

# Id of a keypoint, x and y.
Point: TypeAlias = tuple[str, float, float]


@dataclass(slots=True)
class _Image:
    """An image and its keypoints in all pairs."""

    category: str
    name: str
    box: Box
    size: tuple[int, int] | None
    points: dict[Point, int] = field(default_factory=dict)

    def __lt__(self, other: _Image) -> bool:
        return (self.category, self.name, repr(self.box)) < (other.category, other.name, repr(other.box))

    def places(self, points: Sequence[Point]) -> tuple[int, ...]:
        return tuple(self.points.setdefault(point, len(self.points)) for point in points)

    @property
    def path(self) -> str:
        return f"JPEGImages/{self.category}/{self.name}"


class SPair(Dataset):
    """The images of the test pairs, by category and name; the pairs by the names of their files.

    Args:
        root: holds JPEGImages/ and PairAnnotation/test/.

    Raises:
        TeachMattersError: there is no pair, or a file does not describe one.
    """

    kinds = frozenset({"images", "pairs"})

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = _pair_files(root / TEST)
        known: dict[tuple[str, str, Box], _Image] = {}
        drafts = [_read(path, known) for path in self._files]
        images = sorted(known.values())
        place = {id(image): number for number, image in enumerate(images)}
        self._pairs = [replace(pair, source=place[id(a)], target=place[id(b)]) for pair, a, b in drafts]
        self._items = self._listed(images)
        self._known = dict(zip((item.key for item in self._items), images, strict=True))
        # An image with two boxes is two items of kind pairs, but only one image.
        self._images = [Item(path, size_of(root / path) or 0) for path in dict.fromkeys(p.path for p in images)]

    def _listed(self, images: Sequence[_Image]) -> list[Item]:
        units: list[list[int]] = [[] for _ in images]
        for number, pair in enumerate(self._pairs):
            for place in {pair.source, pair.target}:
                units[place].append(number)
        items, seen = [], set[str]()
        for image, mine in zip(images, units, strict=True):
            key = image.path if image.path not in seen else f"{image.path} {image.box}"
            seen.add(key)
            items.append(Item(key, size_of(self.root / image.path) or 0, group=image.category, units=tuple(mine)))
        return items

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return (self._items if kind == "pairs" else self._images) if role == "all" else None

    def image(self, item: Item) -> Image:
        known = self._known.get(item.key)
        found = read_image(self.root / (known.path if known else item.key))
        if known and known.size and known.size != found.size:
            raise TeachMattersError(
                f"{known.path} is {found.width} x {found.height} pixels, but its pairs are of an image of "
                f"{known.size[0]} x {known.size[1]}; unpack SPair-71k again"
            )
        return found

    def split(self, kind: Kind) -> str:
        return "test"

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        import numpy as np

        if kind != "pairs":
            return {}
        image = self._known[item.key]
        xy = np.array([(x, y) for _, x, y in image.points], dtype=np.float64).reshape(-1, 2)
        return {"box": image.box, "points": Points(xy)}

    def pairs(self) -> Sequence[Pair]:
        return self._pairs

    def annotation_files(self, kind: Kind) -> Sequence[Path]:
        return self._files if kind == "pairs" else []


def _pair_files(folder: Path) -> list[Path]:
    """List the pair files; an underscore may replace the colon, which some file systems do not allow."""
    found = sorted((entry.name for entry in entries(folder) if _is_pair(entry.name)), key=lambda n: (_plain(n), n))
    files = {_plain(name): folder / name for name in reversed(found)}
    if not files:
        raise TeachMattersError(f"{folder} holds no pairs; expected <number>-<image>-<image>:<category>.json (or _)")
    return list(reversed(files.values()))


def _is_pair(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _plain(name: str) -> str:
    """Return a pair's name with an underscore instead of the colon.

    >>> _plain("000001-2008_000001-2008_000002:cat.json")
    '000001-2008_000001-2008_000002_cat.json'
    """
    return name.replace(":", "_")


def _read(path: Path, known: dict[tuple[str, str, Box], _Image]) -> tuple[Pair, _Image, _Image]:
    """Read one pair and add its images to the known ones; the caller fills in the image positions."""
    try:
        content = json.loads(path.read_bytes())
        category, ids = _name(content["category"]), [str(each) for each in content["kps_ids"]]
        images, points = [], []
        for side in ("src", "trg"):
            name, box = _name(content[f"{side}_imname"]), Box(*map(float, content[f"{side}_bndbox"]))
            size = _size(content.get(f"{side}_imsize"))
            images.append(known.setdefault((category, name, box), _Image(category, name, box, size)))
            if size != images[-1].size:
                raise ValueError(f"{name} has the size {size} here and {images[-1].size} in another pair")
            xy = [(float(x), float(y)) for x, y in content[f"{side}_kps"]]
            if len(xy) != len(ids):
                raise ValueError(f"{len(ids)} kps_ids, but {len(xy)} points in {side}_kps")
            points.append(images[-1].places([(i, x, y) for i, (x, y) in zip(ids, xy, strict=True)]))
        difficulty = {name: int(content[key]) for name, key in DIFFICULTY.items() if key in content}
    except OSError as error:
        raise TeachMattersError(f"cannot read {path} ({error.strerror}); check its permissions") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise TeachMattersError(f"{path} is not a pair of SPair-71k ({why}); unpack the data set again") from None
    pair = Pair(
        source=-1, target=-1, source_points=points[0], target_points=points[1], category=category,
        difficulty=difficulty,
    )  # fmt: skip
    return pair, images[0], images[1]


def _size(given: Any) -> tuple[int, int] | None:
    """Return width and height, if the pair has them."""
    if given is None:
        return None
    width, height, *_ = (int(each) for each in given)
    return width, height


def _name(given: object) -> str:
    """Check a name: it becomes part of a path and must not leave the folder."""
    if not isinstance(given, str) or not given or given.startswith(".") or set(given) & set("/\\"):
        raise ValueError(f"{given!r} is not a name")
    return given


def open_spair(request: DatasetRequest) -> SPair:
    """Open the test pairs.

    Raises:
        TeachMattersError: there is no root, or it has no pairs.
    """
    if request.root is None:
        raise TeachMattersError("spair needs the folder SPair-71k, which holds JPEGImages/; name it with --data-root")
    return SPair(request.root)
