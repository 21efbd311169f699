"""What analyses want of all images together, as they read it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from teachmatters.api import Features, Item, Role, Tap
from teachmatters.cache.features import FeatureShards, Ids, Vectors, joined
from teachmatters.errors import TeachMattersError


def ids_of(items: Iterable[Item]) -> Ids:
    """What images are known by in a cache: name and size, as in the fingerprint of a run."""
    texts = (f"{item.key}\0{item.size}".encode(errors="surrogateescape") for item in items)
    return joined(hashlib.blake2b(text, digest_size=16).digest() for text in texts)


class CollectedFeatures(Features):
    """Reads the extractions of one analysis, one for each tap; they are there once its pass has been made."""

    def __init__(self, items: Mapping[Role, Sequence[Item]]) -> None:
        self.items = items
        self.shards_by_tap: dict[Tap, FeatureShards] = {}
        self._found: dict[Role, tuple[NDArray[np.int64], dict[Tap, NDArray[np.int64]]]] = {}

    def index(self, role: Role) -> NDArray[np.int64]:
        """See Features.index."""
        return self._places(role)[0]

    def read(self, role: Role, tap: Tap, layer: int, start: int = 0, stop: int | None = None) -> Vectors:
        """See Features.read."""
        places = self._places(role)[1]
        if tap not in places:
            raise LookupError(f"{tap!r} was not collected; {', '.join(sorted(places))} was")
        return self.shards_by_tap[tap].read(places[tap][start:stop], layer)

    def _places(self, role: Role) -> tuple[NDArray[np.int64], dict[Tap, NDArray[np.int64]]]:
        if role not in self._found:
            if not self.shards_by_tap:
                super().index(role)  # refuses
            ids = ids_of(self.items[role])
            places = {tap: feature_shards.find(ids) for tap, feature_shards in self.shards_by_tap.items()}
            index = np.flatnonzero(np.all([found >= 0 for found in places.values()], axis=0))
            self._found[role] = index, {tap: found[index] for tap, found in places.items()}
        return self._found[role]

    def check_complete(self, skipped: Mapping[str, str]) -> None:
        """Nothing may be missing but what could not be read.

        Raises:
            TeachMattersError: something else is.
        """
        for role, items in self.items.items():
            absent = np.ones(len(items), dtype=bool)
            absent[self.index(role)] = False
            gone = [items[i].key for i in np.flatnonzero(absent).tolist() if items[i].key not in skipped]
            if gone:
                raise TeachMattersError(f"features of {len(gone)} images left the cache meanwhile; run again")
