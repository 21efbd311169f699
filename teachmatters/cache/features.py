"""Vectors of many images at every layer, extracted once, in shards on disk, in half precision."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from teachmatters.api import State
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.holding import hold
from teachmatters.cache.states import load_state, save_state
from teachmatters.errors import TeachMattersError

Ids: TypeAlias = NDArray[np.bytes_]
"""(n,) of 16 bytes each: what images are known by."""
Vectors: TypeAlias = NDArray[np.float32]

SHARD_BYTES = 32 * 2**20
ITEMSIZE = 2
READERS = 4


class FeatureShards:
    """The vectors of one tap of one model, for any images of one data set.

    A shard holds all layers of some images and is whole or not there. Shards are never changed, so that several
    processes may extract at once; what two of them have extracted counts once.

    Args:
        entry: where it lies.
        depth, width: layers, and channels of a vector.
        say: is told about shards that are damaged; they are dropped.
        blind: do not look what is there: for one who only adds to it.
    """

    def __init__(
        self, entry: CacheEntry, depth: int, width: int, say: Callable[[str], None], *, blind: bool = False
    ) -> None:
        self.entry, self.depth, self.width = entry, depth, width
        self.shard_rows = max(1, SHARD_BYTES // self.size_of(1))
        self.paths: list[Path] = []
        self.ids: list[Ids] = []
        self.waiting: list[tuple[Ids, Vectors]] = []
        self.centre: Vectors | None = None
        self._sorted: tuple[Ids, NDArray[np.int64]] | None = None
        if not blind:
            hold(entry)
            self._look(say)

    def _look(self, say: Callable[[str], None]) -> None:
        paths = _shards(self.entry)
        with ThreadPoolExecutor(READERS, thread_name_prefix="shards") as pool:
            for path, ids in zip(paths, pool.map(self._sound, paths), strict=True):
                if ids is None:
                    say(f"{path} is damaged or another model's and was dropped: its images are extracted anew")
                    with contextlib.suppress(OSError):
                        path.unlink()
                else:
                    self.shelve(path, ids)
        self.entry.touch()

    def size_of(self, images: int) -> int:
        """Bytes that so many images take."""
        return images * self.depth * self.width * ITEMSIZE

    def _sound(self, path: Path) -> Ids | None:
        """The images of a shard, None if it is not as it was written."""
        try:
            state = load_state(path, self.entry.key)
            ids, shape = np.asarray(state["ids"]), np.asarray(state["values"]).shape
        except TeachMattersError as error:
            if isinstance(error.__cause__, OSError):  # the disk's fault, or a right that we lack
                raise
            return None
        except KeyError:
            return None
        return ids.view("S16")[:, 0] if shape == (self.depth, len(ids), self.width) else None

    def shelve(self, path: Path, ids: Ids) -> None:
        """A shard of these images is there."""
        self.paths.append(path)
        self.ids.append(ids)
        self._sorted = None

    # --- writing

    def add(self, ids: Ids, values: Vectors) -> None:
        """Take the (depth, n, width) vectors of n images in; a shard is written when there are enough.

        Raises:
            TeachMattersError: they are not finite, or cannot be written.
        """
        if not np.isfinite(values).all():
            raise TeachMattersError("features are not finite (NaN or infinity); check the weights, or --dtype float32")
        self.waiting.append((ids, values))
        if sum(len(each) for each, _ in self.waiting) >= self.shard_rows:
            self.flush()

    def flush(self) -> None:
        """Write what has been taken in.

        Raises:
            TeachMattersError: it cannot be written.
        """
        if not self.waiting:
            return
        ids = np.concatenate([each for each, _ in self.waiting])
        values = np.concatenate([each for _, each in self.waiting], axis=1)
        self.waiting = []
        self.entry.begin()  # it may have been pruned meanwhile
        for rows in np.array_split(np.arange(len(ids)), -(-len(ids) // self.shard_rows)):
            path = self.entry.path / f"{len(self.paths):06d}-{uuid.uuid4().hex[:8]}.safetensors"
            state = {"ids": ids[rows, None].view(np.uint8), **halved(values[:, rows], self._centre(values))}
            save_state(path, state, self.entry.key)
            self.shelve(path, ids[rows])

    def _centre(self, values: Vectors) -> Vectors:
        """(depth, width): the first image of all, so that rounding does not depend on what is written together."""
        if self.centre is None:
            shards = _shards(self.entry)  # others may have begun meanwhile
            self.centre = np.asarray(load_state(shards[0], self.entry.key)["centre"]) if shards else values[:, 0].copy()
        return self.centre

    # --- reading

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """The place of each image, -1 for one that is not here."""
        known, places = self._sorted or self._sort()
        self._sorted = known, places
        if not len(known):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.searchsorted(known, ids).clip(max=len(known) - 1)
        return np.where(known[at] == ids, places[at], -1)

    def _sort(self) -> tuple[Ids, NDArray[np.int64]]:
        every = np.concatenate([np.empty(0, "S16"), *self.ids])
        known, places = np.unique(every, return_index=True)
        return known, places.astype(np.int64)

    def read(self, places: NDArray[np.int64], layer: int) -> Vectors:
        """(n, width) at one layer (from 1). Only the shards that the places lie in are read, and of them this layer.

        Raises:
            TeachMattersError: a shard is gone or cannot be read.
        """
        starts = np.cumsum([0, *map(len, self.ids)])
        shards = np.searchsorted(starts, places, side="right") - 1
        values = np.empty((len(places), self.width), dtype=np.float32)
        for shard in np.unique(shards):
            mine = np.flatnonzero(shards == shard)
            values[_run(mine)] = _layer(self.paths[shard], layer, places[mine] - starts[shard])
        return values


def _shards(entry: CacheEntry) -> list[Path]:
    return [path for path in entry.files() if path.suffix == ".safetensors"]


def halved(values: Vectors, centre: Vectors) -> State:
    """Vectors in half precision: what they differ by from one of them, each in units in which that fits.

    The vectors of an untrained network, and some channels of trained ones, differ by far less than they measure; what
    they differ by keeps 11 bits here, however large or small it is.

    Args:
        values: (layers, n, width).
        centre: (layers, width).

    >>> state = halved(np.float32([[[1e6, 1e-3], [1e6 + 1, 3e-3]]]), np.float32([[1e6, 1e-3]]))
    >>> restored(*(np.asarray(state[name])[0] for name in ("values", "centre", "scale"))).round(4).tolist()
    [[1000000.0, 0.0010000000474974513], [1000001.0, 0.003000000026077032]]
    """
    deviation = torch.from_numpy(values) - torch.from_numpy(centre)[:, None]
    exponent = torch.frexp(deviation.abs().amax(dim=-1)).exponent
    scale = torch.ldexp(torch.ones(exponent.shape), (exponent - 15).clamp(-100, 100))
    halves = deviation.div_(scale[..., None]).half()
    return {"values": halves.numpy(), "centre": centre, "scale": scale.numpy()}


def restored(values: NDArray[np.float16], centre: Vectors, scale: Vectors) -> Vectors:
    """(n, width) of one layer as ``halved`` was given it, but for rounding; scale is (n,)."""
    whole = torch.from_numpy(values).float()  # NumPy takes ten times as long
    return whole.mul_(torch.from_numpy(scale)[:, None]).add_(torch.from_numpy(centre)).numpy()


def _layer(path: Path, layer: int, rows: NDArray[np.int64]) -> Vectors:
    first, last = int(rows.min()), int(rows.max()) + 1
    try:
        with safe_open(path, framework="numpy") as file:
            values, centre, scale = (file.get_slice(name) for name in ("values", "centre", "scale"))
            part = values[layer - 1 : layer, first:last][0]
            whole = restored(part, centre[layer - 1 : layer][0], scale[layer - 1 : layer, first:last][0])
    except (OSError, SafetensorError) as error:
        raise TeachMattersError(f"{path} cannot be read: {error}. The cache changed meanwhile; run again") from error
    return whole[_run(rows - first)]


def _run(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Rows that follow each other, as a slice, which copies nothing."""
    follow = bool((np.diff(rows) == 1).all())
    return slice(int(rows[0]), int(rows[-1]) + 1) if follow else rows


def joined(ids: Iterable[bytes]) -> Ids:
    """Digests of 16 bytes as an array."""
    return np.frombuffer(b"".join(ids), dtype="S16")
