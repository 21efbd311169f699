"""A model on the workers of a Ray cluster: passes are split into shards, and the results of the shards are merged."""

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
from teachmatters.api.progress import Progress
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

RETRIED = 20  # images of a shard that its worker could not read and that this process tries to read as well


@dataclass(frozen=True, slots=True)
class RunningPass:
    """A pass that has started: its images, its shards, and a reference to the result of each shard."""

    planned: PlannedPass
    entries: Sequence[ScheduledImage]
    shards: Sequence[Shard]
    refs: Sequence[Any]


class RayExecutor:
    """An executor that runs passes on workers. All passes start at once, so that workers need not wait."""

    def __init__(
        self, tasks: TaskPool, config: WorkerConfig, info: ModelInfo, settings: PassSettings, progress: Progress
    ) -> None:
        self.tasks, self.config, self.info, self.progress = tasks, config, info, progress
        self.settings = replace(settings, device=torch.device(config.device))

    def run(self, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        """Start all passes, and yield their outcomes in order."""
        running: list[RunningPass] = []
        try:
            running += map(self._begin, passes)
            for running_pass in running:
                yield self._outcome(running_pass)
        finally:
            self.tasks.stop([ref for running_pass in running for ref in running_pass.refs])

    def _begin(self, planned: PlannedPass) -> RunningPass:
        import ray

        entries = build_schedule(planned.members)
        batch = self.settings.batch_size_for(self.info, planned.members)
        plan, name = [ray.put(_pickled(planned))], uuid.uuid4().hex
        first = _first_stop(planned, entries, batch) if self.tasks.shards > 1 else 0
        shards = [
            Shard(plan=name, number=number, start=start, stop=stop, batch=batch)
            for number, (start, stop) in enumerate(_bounds(entries, self.tasks.shards, batch, first))
        ]
        refs: list[Any] = []
        for shard in shards:
            before = refs[:1] if first else []
            refs.append(self.tasks.submit(worker.run_shard, self.config, plan, shard, self.tasks.counter, *before))
        return RunningPass(planned, entries, shards, refs)

    def _outcome(self, running: RunningPass) -> PassOutcome:
        waiting_since, start = datetime.now(UTC), time.perf_counter()
        self.progress.begin(running.planned.label, len(running.entries))
        try:
            results = self._wait(running)
        finally:
            self.progress.finish()
        self._check_skipped(running, results)
        skipped = {key: reason for result in results for key, reason in result.skipped.items()}
        started_at = min([result.began for result in results], default=waiting_since)
        outcome = _merge(running.planned.members, results, RunConditions(started_at, self.settings.device, skipped))
        return replace(outcome, seconds=scale_shares(outcome.seconds, time.perf_counter() - start))

    def _wait(self, running: RunningPass) -> list[ShardResult]:
        """Wait for all shards and return their results in order."""
        import ray

        results: dict[Any, ShardResult] = {}
        waiting, shown = list(running.refs), 0
        counts = self._request_counts(running)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=POLL)
            self.tasks.check((id(running), len(waiting), shown))
            for ref in ready:
                results[ref] = self._receive(ref, running.planned.label)
            if ray.wait([counts], timeout=0)[0]:
                count = _images_done(running, results, _received_counts(counts))
                self.progress.advance(max(0, count - shown))
                shown = max(shown, count)
                counts = self._request_counts(running)
        self.progress.advance(len(running.entries) - shown)
        return [results[ref] for ref in running.refs]

    def _request_counts(self, running: RunningPass) -> Any:
        """Return a reference to the number of images that each shard has done."""
        return self.tasks.counter.counts.remote(running.shards[0].plan) if running.shards else None

    def _receive(self, ref: Any, label: str) -> ShardResult:
        result: ShardResult = fetched(ref, f"running {label}")
        if result.error is not None:
            raise result.error
        for position, state in result.states.items():  # arrays that Ray returns are read-only
            result.states[position] = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in state.items()}
        return result

    def _check_skipped(self, running: RunningPass, results: Sequence[ShardResult]) -> None:
        """Check that images which a worker could not read cannot be read here either.

        Otherwise the worker does not see the data set, and the images are not at fault.
        """
        skipped = {
            key: (result.host, reason)
            for result in results
            for key, reason in itertools.islice(result.skipped.items(), RETRIED)
        }
        transform = running.planned.members[0].input_spec.transform
        for entry in running.entries if skipped else ():
            key = entry.item.key
            if key in skipped and not isinstance(load_image(entry, transform, self.info), Exception):
                host, reason = skipped[key]
                raise TeachMattersError(
                    f"worker {host} cannot read {key} ({reason}), which can be read here: put the data set where every "
                    "worker sees it under the same path"
                )


def _pickled(planned: PlannedPass) -> bytes:
    import ray

    origins = [_absolute(origin) for origin in planned.origins]
    try:
        return bytes(ray.cloudpickle.dumps(tuple(origins)))  # type: ignore[no-untyped-call]
    except Exception as error:  # a plugin's objects may raise anything when they are pickled
        names = listing(dict.fromkeys(o.task.dataset for o in origins if not isinstance(o, ExtractionJob)))
        raise TeachMattersError(
            f"the data set {names} cannot be sent to workers ({words(error)}); measure it with --engine local"
        ) from error


def _absolute(origin: MemberSource) -> MemberSource:
    """Make the path of a cache entry absolute, because workers may have another working directory."""
    if not isinstance(origin, ExtractionJob):
        return origin
    return replace(origin, entry=replace(origin.entry, path=origin.entry.path.absolute()))


# ---------------------------------------------------------------- shards
def _first_stop(planned: PlannedPass, entries: Sequence[ScheduledImage], batch: int) -> int:
    """Return where the shard ends that has to run before all others; 0 if there is none.

    The stored features of an image depend slightly, within their rounding, on the first image that was extracted. If
    the cache is empty, the batch that holds this image runs first, as it would in one process.
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
    """Return start and stop of each shard; there are never more shards than batches."""
    rest = entries[first:]
    cuts = [first + cut for cut in cut_positions(rest, min(shards, -(-len(rest) // batch)), batch)]
    ends = sorted({0, first, *cuts, len(entries)})
    return list(itertools.pairwise(ends))


# ---------------------------------------------------------------- results
def _received_counts(ref: Any) -> dict[int, int]:
    """Return the images that each shard has done; empty if the counter died, which Ray then restarts."""
    import ray

    try:
        counts: dict[int, int] = ray.get(ref)
    except ray.exceptions.RayError:
        return {}
    return counts


def _images_done(running: RunningPass, results: dict[Any, ShardResult], counts: dict[int, int]) -> int:
    shards = zip(running.shards, running.refs, strict=True)
    return sum(shard.stop - shard.start if ref in results else counts.get(shard.number, 0) for shard, ref in shards)


def _merge(members: Sequence[PassMember], results: Sequence[ShardResult], conditions: RunConditions) -> PassOutcome:
    failed: dict[PassMember, Exception] = {}
    for result in results:
        for position, error in result.failed.items():
            failed.setdefault(members[position], error)
        for position, files in result.files.items():
            _add_feature_files(members[position], files)
    states = {
        member: functools.partial(_merge_states, member.analysis, [result.states[position] for result in results])
        for position, member in enumerate(members)
        if results and member not in failed and not isinstance(member.analysis, FeatureWriter)
    }
    seconds: defaultdict[PassMember, float] = defaultdict(float)
    for result in results:
        for position, taken in result.seconds.items():
            seconds[members[position]] += taken
    return PassOutcome(conditions, failed, states, seconds)


def _merge_states(analysis: Analysis, states: Sequence[State]) -> State:
    return analysis.merge(states) if len(states) > 1 else states[0]


def _add_feature_files(member: PassMember, files: Sequence[tuple[str, Any]]) -> None:
    assert isinstance(member.analysis, FeatureWriter)
    feature_shards = member.analysis.feature_shards
    for name, ids in files:
        feature_shards.shelve(feature_shards.entry.path / name, ids)
