"""Access of an analysis to the features of all its images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from teachmatters.api import Features, Item, ModelInfo, Readout, Role
from teachmatters.cache.features import FeatureShards, Ids, Vectors, joined
from teachmatters.errors import TeachMattersError


def ids_of(items: Iterable[Item]) -> Ids:
    """Return the ids of images in a cache: hashes of key and size, as in the fingerprint of a run."""
    texts = (f"{item.key}\0{item.size}".encode(errors="surrogateescape") for item in items)
    return joined(hashlib.blake2b(text, digest_size=16).digest() for text in texts)


class CollectedFeatures(Features):
    """A reader of the features of one analysis, by readout; they are complete after its pass.

    Args:
        items: by role.
        model: the model's shape.
    """

    def __init__(self, items: Mapping[Role, Sequence[Item]], model: ModelInfo) -> None:
        self.items, self.model = items, model
        self.shards: dict[Readout, FeatureShards] = {}
        self._positions: dict[Role, tuple[NDArray[np.int64], dict[Readout, NDArray[np.int64]]]] = {}

    def index(self, role: Role) -> NDArray[np.int64]:
        """See Features.index."""
        return self._find(role)[0]

    def read(self, role: Role, readout: Readout, layer: int, start: int = 0, stop: int | None = None) -> Vectors:
        """See Features.read."""
        positions, parts = self._find(role)[1], readout.parts(self.model)
        if any(part not in positions for part in parts):
            raise LookupError(f"{readout} was not collected; {', '.join(map(str, positions))} was")
        vectors = [self.shards[part].read(positions[part][start:stop], layer) for part in parts]
        return vectors[0] if len(vectors) == 1 else np.concatenate(vectors, axis=1)

    def _find(self, role: Role) -> tuple[NDArray[np.int64], dict[Readout, NDArray[np.int64]]]:
        """Return the items of a role that have all features, and their positions in the shards of each readout."""
        if role not in self._positions:
            if not self.shards:
                super().index(role)  # raises the error for an analysis that collects nothing
            ids = ids_of(self.items[role])
            positions = {part: feature_shards.find(ids) for part, feature_shards in self.shards.items()}
            index = np.flatnonzero(np.all([found >= 0 for found in positions.values()], axis=0))
            self._positions[role] = index, {part: found[index] for part, found in positions.items()}
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
                raise TeachMattersError(
                    f"features of {len(lost)} images were removed from the cache during the run; run again"
                )
