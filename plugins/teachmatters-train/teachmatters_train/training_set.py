"""The training set, drawn once: a file of pixels that every method reads."""

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

import numpy as np
from numpy.typing import NDArray

from teachmatters.api import Crop, Dataset, DatasetSpec, Item, Kind, Role, Value
from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.mini.specs import INFO
from teachmatters.runner.plan.datasets import OpenDataset, fingerprint, items_of, open_dataset, refuse_kind
from teachmatters_train.method import Corpus

SIDE = INFO.image_size
CHUNK = 64
MANY = 1000
"""From so many images on, a process for each core draws."""

UNREADABLE = (OSError, ValueError, SyntaxError)
"""What Dataset.image and Transform.apply may raise of a single image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the training images come from.

    Attributes:
        spec, root, parameters: the data set, as ``open_dataset`` takes them.
        limit: only the first so many images.
        seed: for data sets with something random.
    """

    spec: DatasetSpec
    root: Path | None
    parameters: Mapping[str, Value]
    limit: int | None = None
    seed: int = 0

    def open(self) -> tuple[OpenDataset, Sequence[Item]]:
        """The data set and its training items: the gallery of its labelled images, else all images."""
        opened = open_dataset(self.spec, self.root, self.parameters, self.seed)
        kind: Kind = "labels" if "labels" in opened.dataset.kinds else "images"
        role: Role = "gallery" if kind == "labels" else "all"
        return opened, items_of(opened, kind, (role,), None)[role][: self.limit]


def gather(source: Source, needs: str, folder: Path, progress: Progress) -> tuple[Corpus, str]:
    """The training set and its fingerprint; drawn at first use, read from ``folder`` afterwards.

    Args:
        source: which data set.
        needs: ``labels``, ``captions`` or nothing: what every image must have.
        folder: keeps the drawn images.
        progress: shows progress.

    Raises:
        TeachMattersError: the data set is not there, lacks what is needed, or no image can be read.
    """
    opened, items = source.open()
    _check(opened, items, needs)
    name = _name(opened, items)
    path = folder / f"images-{name[:12]}.npy"
    if not path.exists():
        with _alone(path, progress):
            if not path.exists():  # no other process drew them while this one waited
                progress.say(f"drawing {len(items):,} images once for all methods, to {path}")
                _draw(source, opened.dataset, items, path, progress)
    images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    broken: list[int] = json.loads(path.with_suffix(".json").read_text("utf-8"))["broken"]
    if broken:
        progress.say(f"{len(broken)} of {len(items):,} images could not be read and are left out")
        items = [item for position, item in enumerate(items) if position not in set(broken)]
    labels = None if any(item.label is None for item in items) else np.array([item.label for item in items], np.int64)
    captions = [opened.dataset.caption(item) for item in items]
    return Corpus(images, labels, len(opened.dataset.classes), captions), name


@contextmanager
def _alone(path: Path, progress: Progress) -> Iterator[None]:
    """One process draws a file; the others wait for it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say("another 'tm train' is drawing the images; waiting for it")
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
            f"data set {opened.spec.name!r} has no captions here, which the method 'clip' learns from; give a data set "
            "with labels or captions ('tm datasets'), or another --method"
        )


def _name(opened: OpenDataset, items: Sequence[Item]) -> str:
    """Tells two sets of drawn images apart: sha256 over data set, parameters, side and items."""
    facts = {"dataset": opened.spec.name, "parameters": dict(opened.parameters), "side": SIDE}
    facts["items"] = fingerprint(opened, (), {"gallery": items})
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _draw(source: Source, dataset: Dataset, items: Sequence[Item], path: Path, progress: Progress) -> None:
    """Write the pixels to a temporary file, and rename it when it is complete."""
    progress.begin("drawing", len(items))
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
    """Pixels of CHUNK items after CHUNK items, in order."""
    if len(items) < MANY:
        yield from (_pixels(dataset, items[start : start + CHUNK]) for start in range(0, len(items), CHUNK))
        return
    with ProcessPoolExecutor(max(2, os.cpu_count() or 1), get_context("spawn"), _open_here, (source,)) as pool:
        yield from pool.map(_pixels_here, range(0, len(items), CHUNK))


_here: list[tuple[Dataset, Sequence[Item]]] = []
"""What a drawing process has opened."""


def _open_here(source: Source) -> None:
    opened, items = source.open()
    _here[:] = [(opened.dataset, items)]


def _pixels_here(start: int) -> Chunk:
    dataset, items = _here[0]
    return _pixels(dataset, items[start : start + CHUNK])


def _pixels(dataset: Dataset, items: Sequence[Item]) -> Chunk:
    """uint8 (images that can be read, 3, SIDE, SIDE), and the positions of the others."""
    pixels, broken = [], []
    for position, item in enumerate(items):
        try:
            pixels.append(Crop().apply(dataset.image(item), {}, INFO).inputs[0])
        except UNREADABLE:
            broken.append(position)
    return np.array(pixels, np.uint8).reshape(-1, 3, SIDE, SIDE), broken
