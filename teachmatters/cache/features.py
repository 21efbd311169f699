"""Features on disk: vectors of many images at every layer, in shards and in half precision."""

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

Ids: TypeAlias = NDArray[np.bytes_]  # (n,) of 16 bytes each, which identify images
Vectors: TypeAlias = NDArray[np.float32]

SHARD_BYTES = 32 * 2**20
ITEMSIZE = 2
READERS = 4


class FeatureShards:
    """The vectors of one tap of one model, for any images of one data set.

    A shard holds all layers of some images and is written atomically. Shards never change, so that several processes
    may extract at once; an image that two of them extracted counts once.

    Args:
        entry: the cache entry.
        depth, width: number of layers, and of channels of a vector.
        say: reports damaged shards, which are deleted.
        blind: do not read the existing shards, because the caller only adds to them.
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
            self._scan(say)

    def _scan(self, say: Callable[[str], None]) -> None:
        paths = _shards(self.entry)
        with ThreadPoolExecutor(READERS, thread_name_prefix="shards") as pool:
            for path, ids in zip(paths, pool.map(self._read_ids, paths), strict=True):
                if ids is None:
                    say(
                        f"{path} is damaged or belongs to another model and was deleted: "
                        "its features are extracted again"
                    )
                    with contextlib.suppress(OSError):
                        path.unlink()
                else:
                    self.shelve(path, ids)
        self.entry.touch()

    def size_of(self, images: int) -> int:
        """Return the bytes that this many images take."""
        return images * self.depth * self.width * ITEMSIZE

    def _read_ids(self, path: Path) -> Ids | None:
        """Return the ids of the images in a shard, None if it is damaged."""
        try:
            state = load_state(path, self.entry.key)
            ids, shape = np.asarray(state["ids"]), np.asarray(state["values"]).shape
        except TeachMattersError as error:
            if isinstance(error.__cause__, OSError):  # the disk fails, or the file is not readable
                raise
            return None
        except KeyError:
            return None
        return ids.view("S16")[:, 0] if shape == (self.depth, len(ids), self.width) else None

    def shelve(self, path: Path, ids: Ids) -> None:
        """Add an existing shard with these images."""
        self.paths.append(path)
        self.ids.append(ids)
        self._sorted = None

    # --- writing

    def add(self, ids: Ids, values: Vectors) -> None:
        """Add the (depth, n, width) vectors of n images; a shard is written when there are enough.

        Raises:
            TeachMattersError: the vectors are not finite, or cannot be written.
        """
        if not np.isfinite(values).all():
            raise TeachMattersError("features are not finite (NaN or infinity); check the weights, or --dtype float32")
        self.waiting.append((ids, values))
        if sum(len(waiting_ids) for waiting_ids, _ in self.waiting) >= self.shard_rows:
            self.flush()

    def flush(self) -> None:
        """Write the vectors that have been added.

        Raises:
            TeachMattersError: they cannot be written.
        """
        if not self.waiting:
            return
        ids = np.concatenate([waiting_ids for waiting_ids, _ in self.waiting])
        values = np.concatenate([vectors for _, vectors in self.waiting], axis=1)
        self.waiting = []
        self.entry.begin()  # the entry may have been pruned meanwhile
        for rows in np.array_split(np.arange(len(ids)), -(-len(ids) // self.shard_rows)):
            path = self.entry.path / f"{len(self.paths):06d}-{uuid.uuid4().hex[:8]}.safetensors"
            state = {"ids": ids[rows, None].view(np.uint8), **to_half(values[:, rows], self._centre(values))}
            save_state(path, state, self.entry.key)
            self.shelve(path, ids[rows])

    def _centre(self, values: Vectors) -> Vectors:
        """Return the (depth, width) vectors of the first image, so that rounding does not depend on the shard."""
        if self.centre is None:
            shards = _shards(self.entry)  # another process may have written the first image
            self.centre = np.asarray(load_state(shards[0], self.entry.key)["centre"]) if shards else values[:, 0].copy()
        return self.centre

    # --- reading

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """Return the position of each image in the shards, -1 for an image that is not here."""
        known, positions = self._sorted or self._sort()
        self._sorted = known, positions
        if not len(known):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.searchsorted(known, ids).clip(max=len(known) - 1)
        return np.where(known[at] == ids, positions[at], -1)

    def _sort(self) -> tuple[Ids, NDArray[np.int64]]:
        every = np.concatenate([np.empty(0, "S16"), *self.ids])
        known, positions = np.unique(every, return_index=True)
        return known, positions.astype(np.int64)

    def read(self, positions: NDArray[np.int64], layer: int) -> Vectors:
        """Return the (n, width) vectors at one layer (from 1); only the needed parts of the shards are read.

        Raises:
            TeachMattersError: a shard is missing or cannot be read.
        """
        starts = np.cumsum([0, *map(len, self.ids)])
        shards = np.searchsorted(starts, positions, side="right") - 1
        values = np.empty((len(positions), self.width), dtype=np.float32)
        for shard in np.unique(shards):
            rows = np.flatnonzero(shards == shard)
            values[_as_slice(rows)] = _layer(self.paths[shard], layer, positions[rows] - starts[shard])
        return values


def _shards(entry: CacheEntry) -> list[Path]:
    return [path for path in entry.files() if path.suffix == ".safetensors"]


def to_half(values: Vectors, centre: Vectors) -> State:
    """Store vectors in half precision as their differences from a centre, each with its own scale.

    The vectors of an untrained network, and some channels of trained ones, differ by far less than their magnitude. The
    differences keep 11 bits here, however large or small they are.

    Args:
        values: (layers, n, width).
        centre: (layers, width).

    >>> state = to_half(np.float32([[[1e6, 1e-3], [1e6 + 1, 3e-3]]]), np.float32([[1e6, 1e-3]]))
    >>> from_half(*(np.asarray(state[name])[0] for name in ("values", "centre", "scale"))).round(4).tolist()
    [[1000000.0, 0.0010000000474974513], [1000001.0, 0.003000000026077032]]
    """
    deviation = torch.from_numpy(values) - torch.from_numpy(centre)[:, None]
    exponent = torch.frexp(deviation.abs().amax(dim=-1)).exponent
    scale = torch.ldexp(torch.ones(exponent.shape), (exponent - 15).clamp(-100, 100))
    scaled = deviation.div_(scale[..., None]).half()
    return {"values": scaled.numpy(), "centre": centre, "scale": scale.numpy()}


def from_half(values: NDArray[np.float16], centre: Vectors, scale: Vectors) -> Vectors:
    """Return the (n, width) vectors of one layer that ``to_half`` stored, except for rounding; scale is (n,)."""
    vectors = torch.from_numpy(values).float()  # NumPy takes ten times as long
    return vectors.mul_(torch.from_numpy(scale)[:, None]).add_(torch.from_numpy(centre)).numpy()


def _layer(path: Path, layer: int, rows: NDArray[np.int64]) -> Vectors:
    first, last = int(rows.min()), int(rows.max()) + 1
    try:
        with safe_open(path, framework="numpy") as file:
            values, centre, scale = (file.get_slice(name) for name in ("values", "centre", "scale"))
            stored = values[layer - 1 : layer, first:last][0]
            vectors = from_half(stored, centre[layer - 1 : layer][0], scale[layer - 1 : layer, first:last][0])
    except (OSError, SafetensorError) as error:
        raise TeachMattersError(f"{path} cannot be read: {error}. The cache has changed; run again") from error
    return vectors[_as_slice(rows - first)]


def _as_slice(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return consecutive rows as a slice, which copies nothing."""
    follow = bool((np.diff(rows) == 1).all())
    return slice(int(rows[0]), int(rows[-1]) + 1) if follow else rows


def joined(ids: Iterable[bytes]) -> Ids:
    """Return digests of 16 bytes as an array."""
    return np.frombuffer(b"".join(ids), dtype="S16")
