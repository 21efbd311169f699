"""What the analyses of one model want of all images together: what the cache has, and what a pass must bring."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachmatters.api import DERIVED, Context, Dataset, Item, Kind, Tap, Transform
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.features import FeatureShards
from teachmatters.cache.holding import hold
from teachmatters.cache.limit import make_room
from teachmatters.cache.sizes import remark_on_space
from teachmatters.errors import TeachMattersError
from teachmatters.runner.features.extractor import FeatureExtraction
from teachmatters.runner.features.reader import CollectedFeatures
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.plan.parameters import text_of
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import MeasuredModel

VERSION = 1
"""Raised when what is extracted changes: by a transform, an adapter, or the cache's own format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCache:
    """Where features are kept.

    Attributes:
        folder: the cache.
        dtype, seed: of the command.
        force: extract what is there already, too.
        say: is told what is worth knowing beforehand.
    """

    folder: Path
    dtype: str
    seed: int
    force: bool
    say: Callable[[str], None]


class FeaturePlan:
    """The harvests of one model, shared among its analyses.

    Attributes:
        failed: analyses that cannot get what they want, and why.
    """

    def __init__(self, cache: FeatureCache, model: MeasuredModel) -> None:
        self.cache, self.model = cache, model
        self.extractions: dict[Path, FeatureExtraction] = {}
        self.needs: dict[PassMember, list[FeatureExtraction]] = {}
        self.failed: dict[PassMember, Exception] = {}

    def want(self, member: PassMember, task: Task, context: Context) -> None:
        """An analysis wants what its feed says."""
        needs = self.needs.setdefault(member, [])
        try:
            for tap in _taps(member, task, context):
                extraction = self._extraction(member, task, tap)
                extraction.want([item for items in task.items.values() for item in items], task.kinds)
                _features(context).shards_by_tap[tap] = extraction.feature_shards
                needs.append(extraction)
        except (TeachMattersError, OSError) as error:
            self.failed[member] = error

    def _extraction(self, member: PassMember, task: Task, tap: Tap) -> FeatureExtraction:
        facts = _key_fields(self.cache, self.model, task, member.input_spec.transform, tap)
        entry, info = CacheEntry.at(self.cache.folder, "features", facts), self.model.info
        if entry.path not in self.extractions:
            if self.cache.force:
                entry.remove()
            feature_shards = FeatureShards(entry, info.depth, info.width, self.cache.say)
            self.extractions[entry.path] = FeatureExtraction(feature_shards, tap, task.opened.dataset)
        return self.extractions[entry.path]

    def prepare(self) -> None:
        """Everybody has said what they want: is there room for it, and may it be written?"""
        wanting = [member for member, needs in self.needs.items() if any(extraction.missing for extraction in needs)]
        try:
            if asked := self.asked():
                make_room(self.cache.folder, self.cache.say, asked)
            remark = remark_on_space(self.cache.folder, asked, f"features of {self.model.asked.label}")
            if remark:
                self.cache.say(remark)
            for extraction in self.extractions.values():
                if extraction.missing:
                    extraction.feature_shards.entry.begin()
                    hold(extraction.feature_shards.entry)
            self.create_jobs()
        except TeachMattersError as error:
            self.failed |= dict.fromkeys(wanting, error)

    def asked(self) -> int:
        """Bytes of what is missing."""
        return sum(
            extraction.feature_shards.size_of(len(extraction.missing)) for extraction in self.extractions.values()
        )

    def create_jobs(self) -> None:
        """Get ready for the passes; nothing is written yet."""
        for member, needs in self.needs.items():
            for extraction in needs:
                extraction.create_jobs(member.input_spec.transform)

    def members(self, analyses: Iterable[PassMember]) -> list[PassMember]:
        """The parts in a pass that bring what these analyses want."""
        needs = (
            extraction for member in analyses if member not in self.failed for extraction in self.needs.get(member, ())
        )
        return list(dict.fromkeys(extraction.member for extraction in needs if extraction.member is not None))

    def takers(self, part: PassMember) -> list[PassMember]:
        """The analyses that a part in a pass is made for: itself, if it brings no features."""
        wanting = (member for member, needs in self.needs.items() if any(need.member is part for need in needs))
        return list(wanting) or [part]

    def problem(
        self, member: PassMember, context: Context, failed: Mapping[PassMember, Exception], skipped: Mapping[str, str]
    ) -> Exception | None:
        """Why an analysis did not get what it wanted, None if it did; to be asked after the passes."""
        if member in self.failed:
            return self.failed[member]
        for extraction in self.needs[member]:
            if extraction.member is not None and extraction.member in failed:
                return failed[extraction.member]
        try:
            _features(context).check_complete(skipped)
        except TeachMattersError as error:
            return error
        return None


def _taps(member: PassMember, task: Task, context: Context) -> list[Tap]:
    """Those that an analysis collects and the model has.

    Raises:
        TeachMattersError: the analysis asks for what cannot be.
    """
    if odd := member.input_spec.collect - DERIVED:
        raise TeachMattersError(f"{task.spec.name} collects {', '.join(sorted(odd))}; only cls and mean can be")
    if task.spec.pairs:
        raise TeachMattersError(f"{task.spec.name} compares models, whose states must hold all that is compared")
    return [tap for tap in sorted(member.input_spec.collect) if tap != "cls" or context.model.class_token]


def _features(context: Context) -> CollectedFeatures:
    assert isinstance(context.features, CollectedFeatures)
    return context.features


def _key_fields(
    cache: FeatureCache, model: MeasuredModel, task: Task, transform: Transform, tap: Tap
) -> dict[str, Any]:
    """All that the vector of an image depends on, but the image."""
    items = [item for items in task.items.values() for item in items]
    opened, kind = task.opened, type(transform)
    return {
        "model": model.asked.spec.name,
        "weights": model.weights,
        "shape": dataclasses.asdict(model.info),
        "dataset": task.dataset if opened.spec.version == 1 else f"{task.dataset}, version {opened.spec.version}",
        "parameters": {p.name: text_of(opened.parameters[p.name]) for p in opened.spec.parameters if p.in_setting},
        "annotations": _annotations(opened.dataset, task.kinds),
        "seed": cache.seed if _drawn(items) else 0,
        "transform": f"{kind.__module__}.{transform!r}",
        "dtype": cache.dtype,
        "tap": tap,
        "version": VERSION,
    }


def _drawn(items: Sequence[Item]) -> bool:
    """Whether there are images that are no files, and may depend on the seed."""
    return any(not item.size for item in items)


def _annotations(dataset: Dataset, kinds: Sequence[Kind]) -> str:
    """sha256 of the files that say where an image is to be cut, if there are any."""
    digest = hashlib.sha256()
    for path in dict.fromkeys(path for kind in kinds for path in dataset.annotation_files(kind)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
