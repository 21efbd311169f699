"""A part in a pass that belongs to the cache: vectors of pictures that it lacks go there as they come by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from teachmatters.api import Analysis, Batch, Context, Dataset, Feed, Item, Kind, Parameters, Preparation, State, Tap
from teachmatters.cache.entry import Entry
from teachmatters.cache.features import Extraction, Ids, Vectors
from teachmatters.errors import TeachMattersError
from teachmatters.runner.collected import ids_of
from teachmatters.runner.seats import Feeding


class Harvest:
    """One tap of one data set, for all analyses that want it.

    Attributes:
        missing: by key, the pictures that are wanted and not in the cache.
        sown, feeding: the part in a pass, None before ``sow`` and where nothing is missing.
    """

    def __init__(self, extraction: Extraction, tap: Tap, dataset: Dataset) -> None:
        self.extraction, self.tap, self.dataset = extraction, tap, dataset
        self.missing: dict[str, Item] = {}
        self.kinds: dict[Kind, None] = {}
        self.sown: Sown | None = None
        self.feeding: Feeding | None = None

    def want(self, items: Sequence[Item], kinds: Iterable[Kind]) -> None:
        """An analysis wants these pictures; their preparation may look at these kinds of data."""
        self.kinds |= dict.fromkeys(kinds)
        absent = self.extraction.find(ids_of(items)) < 0
        self.missing |= {item.key: item for item, gone in zip(items, absent, strict=True) if gone}

    def sow(self, preparation: Preparation) -> None:
        """Get ready for the pass."""
        if self.missing and self.feeding is None:
            sown = Sown(
                entry=self.extraction.entry,
                tap=self.tap,
                items=tuple(self.missing.values()),
                kinds=tuple(self.kinds),
                dataset=self.dataset,
                preparation=preparation,
            )
            self.sown, self.feeding = sown, sown.feeding(self.extraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sown:
    """What a pass is to bring, as it can be told to somebody else.

    Attributes:
        entry: of the cache.
        tap: of every layer.
        items: the pictures that are missing there.
        kinds: of data that their preparation may look at.
        dataset, preparation: theirs.
    """

    entry: Entry
    tap: Tap
    items: tuple[Item, ...]
    kinds: tuple[Kind, ...]
    dataset: Dataset
    preparation: Preparation

    def feeding(self, extraction: Extraction) -> Feeding:
        """The part in a pass that adds to an extraction."""
        feed = Feed(taps=frozenset({self.tap}), preparation=self.preparation)
        harvester = Harvester(extraction, self.tap, self.items)
        return Feeding(harvester, feed, self.kinds, self.dataset, {"all": self.items})


class Harvester(Analysis):
    """Sees the missing pictures go by, as an analysis would."""

    def __init__(self, extraction: Extraction, tap: Tap, items: Sequence[Item]) -> None:
        self.extraction, self.tap, self.ids = extraction, tap, ids_of(items)
        self.layers: list[torch.Tensor] = []
        self.last: tuple[Ids, Vectors] | None = None

    def feed(self, parameters: Parameters, metrics: frozenset[str]) -> Feed:
        return Feed(taps=frozenset({self.tap}))

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if any(row.windows > 1 for row in batch.rows):
            raise TeachMattersError("features can only be collected of pictures that their preparation leaves whole")
        if layer == 1:
            self._keep()
        self.layers.append(batch.values.float().clone())
        if layer == self.extraction.depth:  # one transfer a batch, not one a layer
            self.last = self.ids[[row.index for row in batch.rows]], torch.stack(self.layers).cpu().numpy()

    def _keep(self) -> None:
        """The last batch was sound, or the pass would not have gone on."""
        last, self.last, self.layers = self.last, None, []
        if last is not None:
            self.extraction.add(*last)

    def finish(self, whole: bool) -> None:
        """The pass is over. Of one that broke off, all is kept but the batch that it broke off at."""
        if whole:
            self._keep()
        self.extraction.flush()

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}


@contextmanager
def harvesting(feedings: Iterable[Feeding]) -> Iterator[dict[Feeding, Exception]]:
    """Around a pass: harvests are brought in however it ends. Gives those that could not be, and why."""
    failed: dict[Feeding, Exception] = {}
    whole = False
    try:
        yield failed
        whole = True
    finally:
        for feeding in feedings:
            if isinstance(feeding.analysis, Harvester):
                try:
                    feeding.analysis.finish(whole)
                except TeachMattersError as error:
                    failed[feeding] = error
