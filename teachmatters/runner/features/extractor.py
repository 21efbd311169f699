"""Extraction of features: a member of a pass writes the vectors of images that the cache lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from teachmatters.api import (
    Analysis,
    Batch,
    Context,
    Dataset,
    InputSpec,
    Item,
    Kind,
    Parameters,
    Readout,
    State,
    Tap,
    Transform,
)
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.features import FeatureShards, Ids, Vectors
from teachmatters.errors import TeachMattersError
from teachmatters.runner.features.reader import ids_of
from teachmatters.runner.forward.schedule import PassMember


class FeatureExtraction:
    """The features of one readout and one data set, for all analyses that need them.

    Attributes:
        missing: the images, by key, that are needed and not in the cache.
        job, member: the extraction as a member of a pass, None before ``create_job`` and where nothing is missing.
    """

    def __init__(self, feature_shards: FeatureShards, readout: Readout, dataset: Dataset) -> None:
        self.feature_shards, self.readout, self.dataset = feature_shards, readout, dataset
        self.missing: dict[str, Item] = {}
        self.kinds: dict[Kind, None] = {}
        self.job: ExtractionJob | None = None
        self.member: PassMember | None = None

    def want(self, items: Sequence[Item], kinds: Iterable[Kind]) -> None:
        """Add the images that an analysis needs, and the kinds of data that its transform may use."""
        self.kinds |= dict.fromkeys(kinds)
        absent = self.feature_shards.find(ids_of(items)) < 0
        self.missing |= {item.key: item for item, is_absent in zip(items, absent, strict=True) if is_absent}

    def create_job(self, transform: Transform) -> None:
        """Create the job and the pass member that extract what is missing."""
        if self.missing and self.member is None:
            job = ExtractionJob(
                entry=self.feature_shards.entry,
                readout=self.readout,
                items=tuple(self.missing.values()),
                kinds=tuple(self.kinds),
                dataset=self.dataset,
                transform=transform,
            )
            self.job, self.member = job, job.member(self.feature_shards)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionJob:
    """The description of an extraction, which can be sent to a worker.

    Attributes:
        entry: the cache entry to write to.
        readout: read at every layer.
        items: the images that the cache lacks.
        kinds: kinds of data that the transform may use.
        dataset, transform: the data set and transform of the images.
    """

    entry: CacheEntry
    readout: Readout
    items: tuple[Item, ...]
    kinds: tuple[Kind, ...]
    dataset: Dataset
    transform: Transform

    def member(self, feature_shards: FeatureShards) -> PassMember:
        """Return a pass member that writes the features."""
        input_spec = InputSpec(taps=frozenset({self.readout}), transform=self.transform)
        writer = FeatureWriter(feature_shards, self.readout, self.items)
        return PassMember(writer, input_spec, self.kinds, self.dataset, {"all": self.items})


class FeatureWriter(Analysis):
    """A member of a pass that receives the missing images and writes their features to the cache."""

    def __init__(self, feature_shards: FeatureShards, readout: Readout, items: Sequence[Item]) -> None:
        self.feature_shards, self.readout, self.ids = feature_shards, readout, ids_of(items)
        self.layers: list[torch.Tensor] = []
        self.last: tuple[Ids, Vectors] | None = None

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({self.readout}))

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if any(row.windows > 1 for row in batch.rows):
            raise TeachMattersError(
                "features can only be collected with a transform that makes one input of each image"
            )
        if layer == 1:
            self._write()
        self.layers.append(batch.values.float().clone())
        if layer == self.feature_shards.depth:  # one transfer per batch instead of one per layer
            self.last = self.ids[[row.index for row in batch.rows]], torch.stack(self.layers).cpu().numpy()

    def _write(self) -> None:
        # The last batch is finite, because the pass continued after it.
        last, self.last, self.layers = self.last, None, []
        if last is not None:
            self.feature_shards.add(*last)

    def finish(self, whole: bool) -> None:
        """Write what is left at the end of a pass; a pass that failed (not ``whole``) loses its last batch."""
        if whole:
            self._write()
        self.feature_shards.flush()

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}


@contextmanager
def writing_features(members: Iterable[PassMember]) -> Iterator[dict[PassMember, Exception]]:
    """Finish all feature writers when a pass ends, however it ends.

    Yields:
        the writers that failed, and why; filled in at the end.
    """
    failed: dict[PassMember, Exception] = {}
    whole = False
    try:
        yield failed
        whole = True
    finally:
        for member in members:
            if isinstance(member.analysis, FeatureWriter):
                try:
                    member.analysis.finish(whole)
                except TeachMattersError as error:
                    failed[member] = error
