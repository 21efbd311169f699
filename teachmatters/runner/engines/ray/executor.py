"""A model on the workers of a Ray cluster: passes go out in parts, and what comes back is merged."""

from __future__ import annotations

import functools
import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from teachmatters.api import Analysis, ModelInfo, State
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry.references import words
from teachmatters.runner.engines.base import MemberSource, PassOutcome, PlannedPass
from teachmatters.runner.engines.ray import worker
from teachmatters.runner.engines.ray.cluster import fetched
from teachmatters.runner.engines.ray.messages import Shard, ShardResult, WorkerConfig
from teachmatters.runner.engines.ray.task_pool import POLL, TaskPool
from teachmatters.runner.features.extractor import ExtractionJob, FeatureWriter
from teachmatters.runner.forward.loader import load_image
from teachmatters.runner.forward.schedule import (
    PassMember,
    ScheduledImage,
    build_schedule,
    cut_positions,
    possible_cuts,
)
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.forward.time_shares import scale_shares
from teachmatters.runner.record.run import RunConditions
from teachmatters.runner.requests import Progress

DOUBTED = 20
"""Of the images that a part could not read, so many are tried here as well."""


@dataclass(frozen=True, slots=True)
class RunningPass:
    """A pass on its way: its images, its parts, and for each a reference to what will come back."""

    planned: PlannedPass
    entries: Sequence[ScheduledImage]
    parts: Sequence[Shard]
    refs: Sequence[Any]


class RayExecutor:
    """Runs passes on workers. All passes start at once, so that workers go on while this process computes."""

    def __init__(
        self, tasks: TaskPool, config: WorkerConfig, info: ModelInfo, settings: PassSettings, progress: Progress
    ) -> None:
        self.tasks, self.config, self.info, self.progress = tasks, config, info, progress
        self.settings = replace(settings, device=torch.device(config.device))

    def run(self, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        """Start all passes, and yield their outcomes in config."""
        running: list[RunningPass] = []
        try:
            running += map(self._begin, passes)
            for each in running:
                yield self._finished(each)
        finally:
            self.tasks.stop([ref for each in running for ref in each.refs])

    def _begin(self, planned: PlannedPass) -> RunningPass:
        import ray

        entries = build_schedule(planned.members)
        batch = self.settings.batch_size_for(self.info, planned.members)
        plan, name = [ray.put(_pickled(planned))], uuid.uuid4().hex
        first = _first(planned, entries, batch) if self.tasks.shards > 1 else 0
        parts = [
            Shard(plan=name, number=number, start=start, stop=stop, batch=batch)
            for number, (start, stop) in enumerate(_bounds(entries, self.tasks.shards, batch, first))
        ]
        refs: list[Any] = []
        for part in parts:
            before = refs[:1] if first else []
            refs.append(self.tasks.submit(worker.run_shard, self.config, plan, part, self.tasks.counter, *before))
        return RunningPass(planned, entries, parts, refs)

    def _finished(self, running: RunningPass) -> PassOutcome:
        waiting_since, waited = datetime.now(UTC), time.perf_counter()
        self.progress.begin(running.planned.label, len(running.entries))
        try:
            done = self._waited_for(running)
        finally:
            self.progress.finish()
        self._doubt(running, done)
        skipped = {key: why for part in done for key, why in part.skipped.items()}
        started_at = min([part.began for part in done], default=waiting_since)
        joined = _joined(running.planned.members, done, RunConditions(started_at, self.settings.device, skipped))
        return replace(joined, seconds=scale_shares(joined.seconds, time.perf_counter() - waited))

    def _waited_for(self, running: RunningPass) -> list[ShardResult]:
        """What all parts brought, in their config."""
        import ray

        done: dict[Any, ShardResult] = {}
        waiting, shown = list(running.refs), 0
        told = self._asked(running)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=POLL)
            self.tasks.check((id(running), len(waiting), shown))
            for ref in ready:
                done[ref] = self._received(ref, running.planned.label)
            if ray.wait([told], timeout=0)[0]:
                far = _far(running, done, _heard(told))
                self.progress.advance(max(0, far - shown))
                shown = max(shown, far)
                told = self._asked(running)
        self.progress.advance(len(running.entries) - shown)
        return [done[ref] for ref in running.refs]

    def _asked(self, running: RunningPass) -> Any:
        """A reference to how far the parts are."""
        return self.tasks.counter.told.remote(running.parts[0].plan) if running.parts else None

    def _received(self, ref: Any, label: str) -> ShardResult:
        done: ShardResult = fetched(ref, f"passing over {label}")
        if done.error is not None:
            raise done.error
        for place, state in done.states.items():  # what Ray hands out may only be read
            done.states[place] = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in state.items()}
        return done

    def _doubt(self, running: RunningPass, done: Sequence[ShardResult]) -> None:
        """What a worker could not read must be no better here: a folder that it does not see is no bad image."""
        doubtful = {
            key: (part.host, why) for part in done for key, why in itertools.islice(part.skipped.items(), DOUBTED)
        }
        transform = running.planned.members[0].input_spec.transform
        for entry in running.entries if doubtful else ():
            key = entry.item.key
            if key in doubtful and not isinstance(load_image(entry, transform, self.info), Exception):
                host, why = doubtful[key]
                raise TeachMattersError(
                    f"worker {host} cannot read {key} ({why}), which can be read here: put the data set where every "
                    "worker sees it under the same path"
                )


def _pickled(planned: PlannedPass) -> bytes:
    import ray

    origins = [_absolute(origin) for origin in planned.origins]
    try:
        return bytes(ray.cloudpickle.dumps(tuple(origins)))  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a stranger's objects raise when they are looked into
        names = listing(dict.fromkeys(o.task.dataset for o in origins if not isinstance(o, ExtractionJob)))
        raise TeachMattersError(
            f"the data set {names} cannot be sent to workers ({words(error)}); measure it with --engine local"
        ) from error


def _absolute(origin: MemberSource) -> MemberSource:
    """Workers may be at home elsewhere."""
    if not isinstance(origin, ExtractionJob):
        return origin
    return replace(origin, entry=replace(origin.entry, path=origin.entry.path.absolute()))


# ---------------------------------------------------------------- parts
def _first(planned: PlannedPass, entries: Sequence[ScheduledImage], batch: int) -> int:
    """How many images go ahead of all others.

    What is written of an image depends a little, within its rounding, on the first one that was extracted: where
    nothing is there yet, the batch that holds it is made first, as it would be by one process.
    """
    new = {f for f in planned.members if isinstance(f.analysis, FeatureWriter) and not f.analysis.feature_shards.paths}
    if not new:
        return 0
    for position, entry in enumerate(entries):
        new -= {assignment.member for assignment in entry.assignments}
        if not new:
            return next((cut for cut in possible_cuts(entries, batch) if cut > position), 0)
    return 0


def _bounds(entries: Sequence[ScheduledImage], shards: int, batch: int, first: int) -> list[tuple[int, int]]:
    """Start and stop of each part; never more than there are batches."""
    rest = entries[first:]
    cuts = [first + cut for cut in cut_positions(rest, min(shards, -(-len(rest) // batch)), batch)]
    ends = sorted({0, first, *cuts, len(entries)})
    return list(itertools.pairwise(ends))


# ---------------------------------------------------------------- what came back
def _heard(told: Any) -> dict[int, int]:
    """How far the parts are; nothing where the one who counts died, for whom Ray starts another."""
    import ray

    try:
        heard: dict[int, int] = ray.get(told)
    except ray.exceptions.RayError:
        return {}
    return heard


def _far(running: RunningPass, done: dict[Any, ShardResult], told: dict[int, int]) -> int:
    """How many images are done."""
    pairs = zip(running.parts, running.refs, strict=True)
    return sum(part.stop - part.start if ref in done else told.get(part.number, 0) for part, ref in pairs)


def _joined(members: Sequence[PassMember], done: Sequence[ShardResult], conditions: RunConditions) -> PassOutcome:
    failed: dict[PassMember, Exception] = {}
    for part in done:
        for place, error in part.failed.items():
            failed.setdefault(members[place], error)
        for place, shards in part.shards.items():
            _shelve(members[place], shards)
    states = {
        member: functools.partial(_merged, member.analysis, [part.states[place] for part in done])
        for place, member in enumerate(members)
        if done and member not in failed and not isinstance(member.analysis, FeatureWriter)
    }
    seconds: defaultdict[PassMember, float] = defaultdict(float)
    for part in done:
        for place, taken in part.seconds.items():
            seconds[members[place]] += taken
    return PassOutcome(conditions, failed, states, seconds)


def _merged(analysis: Analysis, states: Sequence[State]) -> State:
    return analysis.merge(states) if len(states) > 1 else states[0]


def _shelve(member: PassMember, shards: Sequence[tuple[str, Any]]) -> None:
    assert isinstance(member.analysis, FeatureWriter)
    feature_shards = member.analysis.feature_shards
    for name, ids in shards:
        feature_shards.shelve(feature_shards.entry.path / name, ids)
