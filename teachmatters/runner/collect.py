"""What the analyses of one model want of all pictures together: what the cache has, and what a pass must bring."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachmatters.api import DERIVED, Context, Dataset, Item, Kind, Preparation, Tap
from teachmatters.cache.entry import Entry
from teachmatters.cache.features import Extraction
from teachmatters.cache.holding import hold
from teachmatters.cache.limit import make_room
from teachmatters.cache.sizes import remark_on_space
from teachmatters.errors import TeachMattersError
from teachmatters.runner.collected import CollectedFeatures
from teachmatters.runner.harvest import Harvest
from teachmatters.runner.parameters import text_of
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Measured
from teachmatters.runner.seats import Feeding

VERSION = 1
"""Raised when what is extracted changes: by a preparation, an adapter, or the cache's own format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Where features are kept.

    Attributes:
        folder: the cache.
        dtype, seed: of the command.
        anew: extract what is there already, too.
        say: is told what is worth knowing beforehand.
    """

    folder: Path
    dtype: str
    seed: int
    anew: bool
    say: Callable[[str], None]


class Collector:
    """The harvests of one model, shared among its analyses.

    Attributes:
        failed: analyses that cannot get what they want, and why.
    """

    def __init__(self, cache: Cache, model: Measured) -> None:
        self.cache, self.model = cache, model
        self.harvests: dict[Path, Harvest] = {}
        self.needs: dict[Feeding, list[Harvest]] = {}
        self.failed: dict[Feeding, Exception] = {}

    def want(self, feeding: Feeding, task: Task, context: Context) -> None:
        """An analysis wants what its feed says."""
        needs = self.needs.setdefault(feeding, [])
        try:
            for tap in _taps(feeding, task, context):
                harvest = self._harvest(feeding, task, tap)
                harvest.want([item for items in task.items.values() for item in items], task.kinds)
                _features(context).extractions[tap] = harvest.extraction
                needs.append(harvest)
        except (TeachMattersError, OSError) as error:
            self.failed[feeding] = error

    def _harvest(self, feeding: Feeding, task: Task, tap: Tap) -> Harvest:
        facts = _facts(self.cache, self.model, task, feeding.feed.preparation, tap)
        entry, info = Entry.at(self.cache.folder, "features", facts), self.model.info
        if entry.path not in self.harvests:
            if self.cache.anew:
                entry.remove()
            extraction = Extraction(entry, info.depth, info.width, self.cache.say)
            self.harvests[entry.path] = Harvest(extraction, tap, task.opened.dataset)
        return self.harvests[entry.path]

    def prepare(self) -> None:
        """Everybody has said what they want: is there room for it, and may it be written?"""
        wanting = [feeding for feeding, needs in self.needs.items() if any(harvest.missing for harvest in needs)]
        try:
            if asked := self.asked():
                make_room(self.cache.folder, self.cache.say, asked)
            remark = remark_on_space(self.cache.folder, asked, f"features of {self.model.asked.label}")
            if remark:
                self.cache.say(remark)
            for harvest in self.harvests.values():
                if harvest.missing:
                    harvest.extraction.entry.begin()
                    hold(harvest.extraction.entry)
            self.sow()
        except TeachMattersError as error:
            self.failed |= dict.fromkeys(wanting, error)

    def asked(self) -> int:
        """Bytes of what is missing."""
        return sum(harvest.extraction.size_of(len(harvest.missing)) for harvest in self.harvests.values())

    def sow(self) -> None:
        """Get ready for the passes; nothing is written yet."""
        for feeding, needs in self.needs.items():
            for harvest in needs:
                harvest.sow(feeding.feed.preparation)

    def feedings(self, analyses: Iterable[Feeding]) -> list[Feeding]:
        """The parts in a pass that bring what these analyses want."""
        needs = (
            harvest for feeding in analyses if feeding not in self.failed for harvest in self.needs.get(feeding, ())
        )
        return list(dict.fromkeys(harvest.feeding for harvest in needs if harvest.feeding is not None))

    def takers(self, part: Feeding) -> list[Feeding]:
        """The analyses that a part in a pass is made for: itself, if it brings no features."""
        wanting = (feeding for feeding, needs in self.needs.items() if any(need.feeding is part for need in needs))
        return list(wanting) or [part]

    def problem(
        self, feeding: Feeding, context: Context, failed: Mapping[Feeding, Exception], skipped: Mapping[str, str]
    ) -> Exception | None:
        """Why an analysis did not get what it wanted, None if it did; to be asked after the passes."""
        if feeding in self.failed:
            return self.failed[feeding]
        for harvest in self.needs[feeding]:
            if harvest.feeding is not None and harvest.feeding in failed:
                return failed[harvest.feeding]
        try:
            _features(context).check_complete(skipped)
        except TeachMattersError as error:
            return error
        return None


def _taps(feeding: Feeding, task: Task, context: Context) -> list[Tap]:
    """Those that an analysis collects and the model has.

    Raises:
        TeachMattersError: the analysis asks for what cannot be.
    """
    if odd := feeding.feed.collect - DERIVED:
        raise TeachMattersError(f"{task.spec.name} collects {', '.join(sorted(odd))}; only cls and mean can be")
    if task.spec.pairs:
        raise TeachMattersError(f"{task.spec.name} compares models, whose states must hold all that is compared")
    return [tap for tap in sorted(feeding.feed.collect) if tap != "cls" or context.model.class_token]


def _features(context: Context) -> CollectedFeatures:
    assert isinstance(context.features, CollectedFeatures)
    return context.features


def _facts(cache: Cache, model: Measured, task: Task, preparation: Preparation, tap: Tap) -> dict[str, Any]:
    """All that the vector of a picture depends on, but the picture."""
    items = [item for items in task.items.values() for item in items]
    opened, kind = task.opened, type(preparation)
    return {
        "model": model.asked.spec.name,
        "weights": model.weights,
        "shape": dataclasses.asdict(model.info),
        "dataset": task.dataset if opened.spec.version == 1 else f"{task.dataset}, version {opened.spec.version}",
        "parameters": {p.name: text_of(opened.parameters[p.name]) for p in opened.spec.parameters if p.in_setting},
        "annotations": _annotations(opened.dataset, task.kinds),
        "seed": cache.seed if _drawn(items) else 0,
        "preparation": f"{kind.__module__}.{preparation!r}",
        "dtype": cache.dtype,
        "tap": tap,
        "version": VERSION,
    }


def _drawn(items: Sequence[Item]) -> bool:
    """Whether there are pictures that are no files, and may depend on the seed."""
    return any(not item.size for item in items)


def _annotations(dataset: Dataset, kinds: Sequence[Kind]) -> str:
    """sha256 of the files that say where a picture is to be cut, if there are any."""
    digest = hashlib.sha256()
    for path in dict.fromkeys(path for kind in kinds for path in dataset.annotation_files(kind)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
