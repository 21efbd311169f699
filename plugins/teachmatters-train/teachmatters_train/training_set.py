"""The training set, prepared once to a file of pixels that every method reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from teachmatters.api import Crop, Dataset, DatasetSpec, Item, Kind, Role, Value
from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.mini.specs import INFO
from teachmatters.runner.plan.datasets import OpenDataset, fingerprint, items_of, open_dataset, refuse_kind

if TYPE_CHECKING:
    from teachmatters_train.method import Corpus

SIDE = INFO.image_size
CHUNK = 64
# The number of images from which on a pool of processes prepares them.
MANY = 1000

# The exceptions that Dataset.image and Transform.apply may raise for a single image.
UNREADABLE = (OSError, ValueError, SyntaxError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of the training images.

    Attributes:
        spec, root, parameters: the data set, as ``open_dataset`` takes them.
        limit: the number of images to use, from the first on.
        seed: the seed of data sets that use random numbers.
    """

    spec: DatasetSpec
    root: Path | None
    parameters: Mapping[str, Value]
    limit: int | None = None
    seed: int = 0

    def open(self) -> tuple[OpenDataset, Sequence[Item]]:
        """Open the data set and return its training items: the gallery if it has labels, else all images."""
        opened = open_dataset(self.spec, self.root, self.parameters, self.seed)
        kind: Kind = "labels" if "labels" in opened.dataset.kinds else "images"
        role: Role = "gallery" if kind == "labels" else "all"
        return opened, items_of(opened, kind, (role,), None)[role][: self.limit]


def gather(source: Source, needs: str, folder: Path, progress: Progress) -> tuple[Corpus, str]:
    """Return the training set and its fingerprint. It is prepared at first use and read from ``folder`` afterwards.

    Args:
        source: the data set.
        needs: what every image must have: ``labels``, ``captions`` or an empty string.
        folder: the folder for the prepared images.
        progress: receives the progress.

    Raises:
        TeachMattersError: the data set is missing, lacks labels or captions, or no image can be read.
    """
    from teachmatters_train.method import Corpus  # imports torch, which the processes of the pool do without

    opened, items = source.open()
    _check(opened, items, needs)
    name = _name(opened, items)
    path = folder / f"images-{name[:12]}.npy"
    if not path.exists():
        with _alone(path, progress):
            if not path.exists():  # another process may have prepared them meanwhile
                progress.say(f"preparing {len(items):,} images once for all methods, to {path}")
                _draw(source, opened.dataset, items, path, progress)
    images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    broken: list[int] = json.loads(path.with_suffix(".json").read_text("utf-8"))["broken"]
    if broken:
        progress.say(f"{len(broken)} of {len(items):,} images could not be read and are skipped")
        items = [item for position, item in enumerate(items) if position not in set(broken)]
    labels = None if any(item.label is None for item in items) else np.array([item.label for item in items], np.int64)
    captions = [opened.dataset.caption(item) for item in items]
    return Corpus(images, labels, len(opened.dataset.classes), captions), name


@contextmanager
def _alone(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of a file; other processes wait."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say("waiting for another 'tm train', which is preparing the images")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check(opened: OpenDataset, items: Sequence[Item], needs: str) -> None:
    if needs == "labels" and "labels" not in opened.dataset.kinds:
        refuse_kind(opened, "labels")
    if needs == "captions" and not all(opened.dataset.caption(item) for item in items):
        raise TeachMattersError(
            f"data set {opened.spec.name!r} has no captions here, which the method 'clip' needs; give a data set "
            "with labels or captions ('tm datasets'), or another --method"
        )


def _name(opened: OpenDataset, items: Sequence[Item]) -> str:
    """Return a sha256 that identifies the prepared images: of data set, parameters, size and items."""
    facts = {"dataset": opened.spec.name, "parameters": dict(opened.parameters), "side": SIDE}
    facts["items"] = fingerprint(opened, (), {"gallery": items})
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _draw(source: Source, dataset: Dataset, items: Sequence[Item], path: Path, progress: Progress) -> None:
    """Write the pixels to a temporary file, and rename it when it is complete."""
    progress.begin("preparing", len(items))
    part = path.with_suffix(".part")
    broken: list[int] = []
    drawn = np.lib.format.open_memmap(part, "w+", np.uint8, (len(items), 3, SIDE, SIDE))
    good = 0
    for start, (pixels, bad) in zip(range(0, len(items), CHUNK), _chunks(source, dataset, items), strict=True):
        drawn[good : good + len(pixels)] = pixels
        good += len(pixels)
        broken += [start + position for position in bad]
        progress.advance(len(pixels) + len(bad))
    if not good:
        raise TeachMattersError(f"none of {listing([item.key for item in items], 3)} can be read; nothing to train on")
    drawn.flush()
    if broken:
        np.save(part.with_suffix(".part.npy"), drawn[:good])
        part.with_suffix(".part.npy").replace(part)
    path.with_suffix(".json").write_text(json.dumps({"broken": broken}), "utf-8")
    part.replace(path)


Chunk = tuple[NDArray[np.uint8], list[int]]


def _chunks(source: Source, dataset: Dataset, items: Sequence[Item]) -> Iterator[Chunk]:
    """Yield the pixels of CHUNK items at a time, in order."""
    if len(items) < MANY:
        yield from (_pixels(dataset, items[start : start + CHUNK]) for start in range(0, len(items), CHUNK))
        return
    with ProcessPoolExecutor(max(2, os.cpu_count() or 1), get_context("spawn"), _open_here, (source,)) as pool:
        yield from pool.map(_pixels_here, range(0, len(items), CHUNK))


# The data set that a process of the pool has opened.
_here: list[tuple[Dataset, Sequence[Item]]] = []


def _open_here(source: Source) -> None:
    opened, items = source.open()
    _here[:] = [(opened.dataset, items)]


def _pixels_here(start: int) -> Chunk:
    dataset, items = _here[0]
    return _pixels(dataset, items[start : start + CHUNK])


def _pixels(dataset: Dataset, items: Sequence[Item]) -> Chunk:
    """Return the readable images, uint8 (n, 3, SIDE, SIDE), and the positions of the others."""
    pixels, broken = [], []
    for position, item in enumerate(items):
        try:
            pixels.append(Crop().apply(dataset.image(item), {}, INFO).inputs[0])
        except UNREADABLE:
            broken.append(position)
    return np.array(pixels, np.uint8).reshape(-1, 3, SIDE, SIDE), broken
