"""A part in a pass that belongs to the cache: vectors of images that it lacks go there as they come by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from teachmatters.api import Analysis, Batch, Context, Dataset, InputSpec, Item, Kind, Parameters, State, Tap, Transform
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.features import FeatureShards, Ids, Vectors
from teachmatters.errors import TeachMattersError
from teachmatters.runner.features.reader import ids_of
from teachmatters.runner.forward.schedule import PassMember


class FeatureExtraction:
    """One tap of one data set, for all analyses that want it.

    Attributes:
        missing: by key, the images that are wanted and not in the cache.
        job, member: the part in a pass, None before ``create_jobs`` and where nothing is missing.
    """

    def __init__(self, feature_shards: FeatureShards, tap: Tap, dataset: Dataset) -> None:
        self.feature_shards, self.tap, self.dataset = feature_shards, tap, dataset
        self.missing: dict[str, Item] = {}
        self.kinds: dict[Kind, None] = {}
        self.job: ExtractionJob | None = None
        self.member: PassMember | None = None

    def want(self, items: Sequence[Item], kinds: Iterable[Kind]) -> None:
        """An analysis wants these images; their transform may look at these kinds of data."""
        self.kinds |= dict.fromkeys(kinds)
        absent = self.feature_shards.find(ids_of(items)) < 0
        self.missing |= {item.key: item for item, gone in zip(items, absent, strict=True) if gone}

    def create_job(self, transform: Transform) -> None:
        """Get ready for the pass."""
        if self.missing and self.member is None:
            job = ExtractionJob(
                entry=self.feature_shards.entry,
                tap=self.tap,
                items=tuple(self.missing.values()),
                kinds=tuple(self.kinds),
                dataset=self.dataset,
                transform=transform,
            )
            self.job, self.member = job, job.member(self.feature_shards)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionJob:
    """What a pass is to bring, as it can be told to somebody else.

    Attributes:
        entry: of the cache.
        tap: of every layer.
        items: the images that are missing there.
        kinds: of data that their transform may look at.
        dataset, transform: theirs.
    """

    entry: CacheEntry
    tap: Tap
    items: tuple[Item, ...]
    kinds: tuple[Kind, ...]
    dataset: Dataset
    transform: Transform

    def member(self, feature_shards: FeatureShards) -> PassMember:
        """The part in a pass that adds to an extraction."""
        input_spec = InputSpec(taps=frozenset({self.tap}), transform=self.transform)
        harvester = FeatureWriter(feature_shards, self.tap, self.items)
        return PassMember(harvester, input_spec, self.kinds, self.dataset, {"all": self.items})


class FeatureWriter(Analysis):
    """Sees the missing images go by, as an analysis would."""

    def __init__(self, feature_shards: FeatureShards, tap: Tap, items: Sequence[Item]) -> None:
        self.feature_shards, self.tap, self.ids = feature_shards, tap, ids_of(items)
        self.layers: list[torch.Tensor] = []
        self.last: tuple[Ids, Vectors] | None = None

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({self.tap}))

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if any(row.windows > 1 for row in batch.rows):
            raise TeachMattersError("features can only be collected of images that their transform leaves whole")
        if layer == 1:
            self._keep()
        self.layers.append(batch.values.float().clone())
        if layer == self.feature_shards.depth:  # one transfer a batch, not one a layer
            self.last = self.ids[[row.index for row in batch.rows]], torch.stack(self.layers).cpu().numpy()

    def _keep(self) -> None:
        """The last batch was sound, or the pass would not have gone on."""
        last, self.last, self.layers = self.last, None, []
        if last is not None:
            self.feature_shards.add(*last)

    def finish(self, whole: bool) -> None:
        """The pass is over. Of one that broke off, all is kept but the batch that it broke off at."""
        if whole:
            self._keep()
        self.feature_shards.flush()

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}


@contextmanager
def writing_features(members: Iterable[PassMember]) -> Iterator[dict[PassMember, Exception]]:
    """Around a pass: harvests are brought in however it ends. Gives those that could not be, and why."""
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
