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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from teachmatters.api import Analysis, ModelInfo, State
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry.references import words
from teachmatters.runner import ray_worker
from teachmatters.runner.harvest import Harvester, Sown
from teachmatters.runner.loading import prepare
from teachmatters.runner.measure import Bench
from teachmatters.runner.network import Origin, Passed, Planned
from teachmatters.runner.ray_cluster import fetched
from teachmatters.runner.ray_job import Order, Part, PartDone
from teachmatters.runner.record import Sitting
from teachmatters.runner.seats import Entry, Feeding, cuts_of, possible_cuts, seating
from teachmatters.runner.shares import scaled

if TYPE_CHECKING:
    from teachmatters.runner.ray_engine import RayEngine

POLL = 0.25  # seconds
DOUBTED = 20
"""Of the pictures that a part could not read, so many are tried here as well."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A pass on its way: its pictures, its parts, and for each a reference to what will come back."""

    planned: Planned
    entries: Sequence[Entry]
    parts: Sequence[Part]
    refs: Sequence[Any]


class RayNetwork:
    """See network.Network. All passes begin at once, so that workers go on while this process computes."""

    def __init__(self, engine: RayEngine, bench: Bench, order: Order, info: ModelInfo) -> None:
        self.engine, self.order, self.info = engine, order, info
        self.bench = replace(bench, device=torch.device(order.device))

    def carry_out(self, passes: Sequence[Planned]) -> Generator[Passed]:
        """See network.Network."""
        begun: list[Begun] = []
        try:
            begun += map(self._begin, passes)
            for each in begun:
                yield self._finished(each)
        finally:
            self.engine.stop([ref for each in begun for ref in each.refs])

    def _begin(self, planned: Planned) -> Begun:
        import ray

        entries = seating(planned.feedings)
        batch = self.bench.inputs_at_once(self.info, planned.feedings)
        plan, name = [ray.put(_pickled(planned))], uuid.uuid4().hex
        first = _first(planned, entries, batch) if self.engine.shards > 1 else 0
        parts = [
            Part(plan=name, number=number, start=start, stop=stop, batch=batch)
            for number, (start, stop) in enumerate(_bounds(entries, self.engine.shards, batch, first))
        ]
        refs: list[Any] = []
        for part in parts:
            before = refs[:1] if first else []
            refs.append(self.engine.submit(ray_worker.run_part, self.order, plan, part, self.engine.tally, *before))
        return Begun(planned, entries, parts, refs)

    def _finished(self, begun: Begun) -> Passed:
        waiting_since, waited = datetime.now(UTC), time.perf_counter()
        self.bench.listener.begin(begun.planned.label, len(begun.entries))
        try:
            done = self._waited_for(begun)
        finally:
            self.bench.listener.finish()
        self._doubt(begun, done)
        skipped = {key: why for part in done for key, why in part.skipped.items()}
        started_at = min([part.began for part in done], default=waiting_since)
        joined = _joined(begun.planned.feedings, done, Sitting(started_at, self.bench.device, skipped))
        return replace(joined, seconds=scaled(joined.seconds, time.perf_counter() - waited))

    def _waited_for(self, begun: Begun) -> list[PartDone]:
        """What all parts brought, in their order."""
        import ray

        done: dict[Any, PartDone] = {}
        waiting, shown = list(begun.refs), 0
        told = self._asked(begun)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=POLL)
            self.engine.watch.look((id(begun), len(waiting), shown))
            for ref in ready:
                done[ref] = self._received(ref, begun.planned.label)
            if ray.wait([told], timeout=0)[0]:
                far = _far(begun, done, _heard(told))
                self.bench.listener.advance(max(0, far - shown))
                shown = max(shown, far)
                told = self._asked(begun)
        self.bench.listener.advance(len(begun.entries) - shown)
        return [done[ref] for ref in begun.refs]

    def _asked(self, begun: Begun) -> Any:
        """A reference to how far the parts are."""
        return self.engine.tally.told.remote(begun.parts[0].plan) if begun.parts else None

    def _received(self, ref: Any, label: str) -> PartDone:
        done: PartDone = fetched(ref, f"passing over {label}")
        if done.error is not None:
            raise done.error
        for place, state in done.states.items():  # what Ray hands out may only be read
            done.states[place] = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in state.items()}
        return done

    def _doubt(self, begun: Begun, done: Sequence[PartDone]) -> None:
        """What a worker could not read must be no better here: a folder that it does not see is no bad picture."""
        doubtful = {
            key: (part.host, why) for part in done for key, why in itertools.islice(part.skipped.items(), DOUBTED)
        }
        preparation = begun.planned.feedings[0].feed.preparation
        for entry in begun.entries if doubtful else ():
            key = entry.item.key
            if key in doubtful and not isinstance(prepare(entry, preparation, self.info), Exception):
                host, why = doubtful[key]
                raise TeachMattersError(
                    f"worker {host} cannot read {key} ({why}), which can be read here: put the data set where every "
                    "worker sees it under the same path"
                )


def _pickled(planned: Planned) -> bytes:
    import ray

    origins = [_absolute(origin) for origin in planned.origins]
    try:
        return bytes(ray.cloudpickle.dumps(tuple(origins)))  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a stranger's objects raise when they are looked into
        names = listing(dict.fromkeys(o.task.dataset for o in origins if not isinstance(o, Sown)))
        raise TeachMattersError(
            f"the data set {names} cannot be sent to workers ({words(error)}); measure it with --engine local"
        ) from error


def _absolute(origin: Origin) -> Origin:
    """Workers may be at home elsewhere."""
    if not isinstance(origin, Sown):
        return origin
    return replace(origin, entry=replace(origin.entry, path=origin.entry.path.absolute()))


# ---------------------------------------------------------------- parts
def _first(planned: Planned, entries: Sequence[Entry], batch: int) -> int:
    """How many pictures go ahead of all others.

    What is written of a picture depends a little, within its rounding, on the first one that was extracted: where
    nothing is there yet, the batch that holds it is made first, as it would be by one process.
    """
    new = {f for f in planned.feedings if isinstance(f.analysis, Harvester) and not f.analysis.extraction.paths}
    if not new:
        return 0
    for position, entry in enumerate(entries):
        new -= {seat.feeding for seat in entry.seats}
        if not new:
            return next((cut for cut in possible_cuts(entries, batch) if cut > position), 0)
    return 0


def _bounds(entries: Sequence[Entry], shards: int, batch: int, first: int) -> list[tuple[int, int]]:
    """Start and stop of each part; never more than there are batches."""
    rest = entries[first:]
    cuts = [first + cut for cut in cuts_of(rest, min(shards, -(-len(rest) // batch)), batch)]
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


def _far(begun: Begun, done: dict[Any, PartDone], told: dict[int, int]) -> int:
    """How many pictures are done."""
    pairs = zip(begun.parts, begun.refs, strict=True)
    return sum(part.stop - part.start if ref in done else told.get(part.number, 0) for part, ref in pairs)


def _joined(feedings: Sequence[Feeding], done: Sequence[PartDone], sitting: Sitting) -> Passed:
    failed: dict[Feeding, Exception] = {}
    for part in done:
        for place, error in part.failed.items():
            failed.setdefault(feedings[place], error)
        for place, shards in part.shards.items():
            _shelve(feedings[place], shards)
    states = {
        feeding: functools.partial(_merged, feeding.analysis, [part.states[place] for part in done])
        for place, feeding in enumerate(feedings)
        if done and feeding not in failed and not isinstance(feeding.analysis, Harvester)
    }
    seconds: defaultdict[Feeding, float] = defaultdict(float)
    for part in done:
        for place, taken in part.seconds.items():
            seconds[feedings[place]] += taken
    return Passed(sitting, failed, states, seconds)


def _merged(analysis: Analysis, states: Sequence[State]) -> State:
    return analysis.merge(states) if len(states) > 1 else states[0]


def _shelve(feeding: Feeding, shards: Sequence[tuple[str, Any]]) -> None:
    assert isinstance(feeding.analysis, Harvester)
    extraction = feeding.analysis.extraction
    for name, ids in shards:
        extraction.shelve(extraction.entry.path / name, ids)
