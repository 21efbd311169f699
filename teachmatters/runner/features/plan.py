"""The features that the analyses of one model need of all images: which the cache holds, which a pass must add."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from teachmatters.api import Context, Dataset, Item, Kind, Readout, Transform
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.features import FeatureShards
from teachmatters.cache.holding import hold
from teachmatters.cache.limit import make_room
from teachmatters.cache.sizes import remark_on_space
from teachmatters.errors import TeachMattersError
from teachmatters.runner.features.extractor import FeatureExtraction
from teachmatters.runner.features.reader import CollectedFeatures
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.parameters import text_of
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import MeasuredModel

# Raised whenever extracted features change: by a transform, an adapter, or the format of the cache.
VERSION = 1


class FeaturePlan:
    """The feature extractions of one model, shared among its analyses.

    Args:
        settings: the settings of the passes; features are kept in its cache folder.
        model: the model.
        say: reports what is worth knowing before the passes.

    Attributes:
        extractions: by folder in the cache.
        failed: analyses that cannot get their features, and why.
    """

    def __init__(self, settings: PassSettings, model: MeasuredModel, say: Callable[[str], None]) -> None:
        self.settings, self.model, self.say = settings, model, say
        self.extractions: dict[Path, FeatureExtraction] = {}
        self.needs: dict[PassMember, list[FeatureExtraction]] = {}
        self.failed: dict[PassMember, Exception] = {}

    def want(self, member: PassMember, task: Task, context: Context) -> None:
        """Plan the features that the input spec of an analysis asks for."""
        needs = self.needs.setdefault(member, [])
        try:
            for readout in _readouts(member, task, context):
                extraction = self._extraction(member, task, readout)
                extraction.want([item for items in task.items.values() for item in items], task.kinds)
                _features(context).shards[readout] = extraction.feature_shards
                needs.append(extraction)
        except (TeachMattersError, OSError) as error:
            self.failed[member] = error

    def _extraction(self, member: PassMember, task: Task, readout: Readout) -> FeatureExtraction:
        fields = _key_fields(self.settings, self.model, task, member.input_spec.transform, readout)
        entry, info = CacheEntry.at(self.settings.cache, "features", fields), self.model.info
        if entry.path not in self.extractions:
            if self.settings.force:
                entry.remove()
            feature_shards = FeatureShards(entry, info.depth, readout.width(info), self.say)
            self.extractions[entry.path] = FeatureExtraction(feature_shards, readout, task.opened.dataset)
        return self.extractions[entry.path]

    def begin(self) -> None:
        """Check that what is missing fits on the disk and may be written, and create the jobs that write it."""
        wanting = [member for member, needs in self.needs.items() if any(extraction.missing for extraction in needs)]
        try:
            if missing := self.missing_bytes():
                make_room(self.settings.cache, self.say, missing)
            remark = remark_on_space(self.settings.cache, missing, f"features of {self.model.asked.label}")
            if remark:
                self.say(remark)
            for extraction in self.extractions.values():
                if extraction.missing:
                    extraction.feature_shards.entry.begin()
                    hold(extraction.feature_shards.entry)
            self.create_jobs()
        except TeachMattersError as error:
            self.failed |= dict.fromkeys(wanting, error)

    def missing_bytes(self) -> int:
        """Return the size of all features that the cache lacks."""
        return sum(
            extraction.feature_shards.size_of(len(extraction.missing)) for extraction in self.extractions.values()
        )

    def create_jobs(self) -> None:
        """Create the jobs that write missing features in a pass; nothing is written yet."""
        for member, needs in self.needs.items():
            for extraction in needs:
                extraction.create_job(member.input_spec.transform)

    def members(self, analyses: Iterable[PassMember]) -> list[PassMember]:
        """Return the pass members that write the features these analyses need."""
        needs = (
            extraction for member in analyses if member not in self.failed for extraction in self.needs.get(member, ())
        )
        return list(dict.fromkeys(extraction.member for extraction in needs if extraction.member is not None))

    def takers(self, writer: PassMember) -> list[PassMember]:
        """Return the analyses that need what a member writes; the member itself if it writes no features."""
        wanting = (member for member, needs in self.needs.items() if any(need.member is writer for need in needs))
        return list(wanting) or [writer]

    def problem(
        self, member: PassMember, context: Context, failed: Mapping[PassMember, Exception], skipped: Mapping[str, str]
    ) -> Exception | None:
        """Return why an analysis lacks features after the passes, None if it has them all."""
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


def _readouts(member: PassMember, task: Task, context: Context) -> list[Readout]:
    """Return the readouts of one feature each that an analysis collects and the model has.

    Raises:
        TeachMattersError: the analysis asks for something that cannot be collected.
    """
    if odd := [str(each) for each in member.input_spec.collect if getattr(each, "feature", "tokens") == "tokens"]:
        raise TeachMattersError(
            f"{task.spec.name} collects {', '.join(sorted(odd))}; it can collect only a Readout of one vector per image"
        )
    if task.spec.pairs:
        raise TeachMattersError(
            f"{task.spec.name} compares models, so its state must hold the features: it cannot collect them"
        )
    parts = {part for readout in member.input_spec.collect for part in readout.parts(context.model)}
    return [part for part in sorted(parts, key=repr) if not part.lacking(context.model)]


def _features(context: Context) -> CollectedFeatures:
    assert isinstance(context.features, CollectedFeatures)
    return context.features


def _key_fields(
    settings: PassSettings, model: MeasuredModel, task: Task, transform: Transform, readout: Readout
) -> dict[str, Any]:
    """Return everything that an image's vector depends on, except the image."""
    items = [item for items in task.items.values() for item in items]
    opened, kind = task.opened, type(transform)
    return {
        "model": model.asked.spec.name,
        "weights": model.weights,
        "shape": dataclasses.asdict(model.info),
        "dataset": task.dataset if opened.spec.version == 1 else f"{task.dataset}, version {opened.spec.version}",
        "parameters": {p.name: text_of(opened.parameters[p.name]) for p in opened.spec.parameters if p.in_setting},
        "annotations": _annotations(opened.dataset, task.kinds),
        "seed": settings.seed if _drawn(items) else 0,
        "transform": f"{kind.__module__}.{transform!r}",
        "dtype": settings.dtype_name,
        "readout": dataclasses.asdict(readout),
        "version": VERSION,
    }


def _drawn(items: Sequence[Item]) -> bool:
    """Return whether some images are not files, and so may depend on the seed."""
    return any(not item.size for item in items)


def _annotations(dataset: Dataset, kinds: Sequence[Kind]) -> str:
    """Return the sha256 of the annotation files, which a transform may use to crop an image."""
    digest = hashlib.sha256()
    for path in dict.fromkeys(path for kind in kinds for path in dataset.annotation_files(kind)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
