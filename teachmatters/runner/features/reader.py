"""Access of an analysis to the features of all its images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from teachmatters.api import Features, Item, Role, Tap
from teachmatters.cache.features import FeatureShards, Ids, Vectors, joined
from teachmatters.errors import TeachMattersError


def ids_of(items: Iterable[Item]) -> Ids:
    """Return the ids of images in a cache: hashes of key and size, as in the fingerprint of a run."""
    texts = (f"{item.key}\0{item.size}".encode(errors="surrogateescape") for item in items)
    return joined(hashlib.blake2b(text, digest_size=16).digest() for text in texts)


class CollectedFeatures(Features):
    """Reads the features of one analysis, by tap; they are complete after its pass."""

    def __init__(self, items: Mapping[Role, Sequence[Item]]) -> None:
        self.items = items
        self.shards_by_tap: dict[Tap, FeatureShards] = {}
        self._positions: dict[Role, tuple[NDArray[np.int64], dict[Tap, NDArray[np.int64]]]] = {}

    def index(self, role: Role) -> NDArray[np.int64]:
        """See Features.index."""
        return self._find(role)[0]

    def read(self, role: Role, tap: Tap, layer: int, start: int = 0, stop: int | None = None) -> Vectors:
        """See Features.read."""
        positions = self._find(role)[1]
        if tap not in positions:
            raise LookupError(f"{tap!r} was not collected; {', '.join(sorted(positions))} was")
        return self.shards_by_tap[tap].read(positions[tap][start:stop], layer)

    def _find(self, role: Role) -> tuple[NDArray[np.int64], dict[Tap, NDArray[np.int64]]]:
        """Return the items of a role that have features for every tap, and their positions in the shards of each."""
        if role not in self._positions:
            if not self.shards_by_tap:
                super().index(role)  # raises the error for an analysis that collects nothing
            ids = ids_of(self.items[role])
            positions = {tap: feature_shards.find(ids) for tap, feature_shards in self.shards_by_tap.items()}
            index = np.flatnonzero(np.all([found >= 0 for found in positions.values()], axis=0))
            self._positions[role] = index, {tap: found[index] for tap, found in positions.items()}
        return self._positions[role]

    def check_complete(self, skipped: Mapping[str, str]) -> None:
        """Check that all items have features, except those that could not be read.

        Raises:
            TeachMattersError: the features of some other item are missing.
        """
        for role, items in self.items.items():
            absent = np.ones(len(items), dtype=bool)
            absent[self.index(role)] = False
            lost = [items[i].key for i in np.flatnonzero(absent).tolist() if items[i].key not in skipped]
            if lost:
                raise TeachMattersError(f"features of {len(lost)} images left the cache meanwhile; run again")
