"""The passes that a study would make of one model after the other, counted and tried, but not made."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from teachmatters.api import ModelAdapter, ModelInfo, ModelSource
from teachmatters.runner.calibrate import throughput
from teachmatters.runner.collect import Collector
from teachmatters.runner.forecast_rows import Forecast, PlannedPass
from teachmatters.runner.halves import Halves
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.loading import load_in_order
from teachmatters.runner.measure import Bench, Seated, Shared, Todo
from teachmatters.runner.record import Measured
from teachmatters.runner.seats import Entry, Feeding, seating
from teachmatters.store.location import Place


class Prospect:
    """The passes of one bench, as a Work would make them.

    Args:
        db: the store.
        bench: where and how.
        found: where what is found out is written down.
    """

    def __init__(self, db: Place, bench: Bench, found: Forecast) -> None:
        self.bench, self.found = bench, found
        self.kept = Halves(db, bench)
        self.halves: dict[Path, tuple[ModelInfo, frozenset[str]]] = {}  # that earlier models will have left
        self.features: dict[Path, set[str]] = {}
        self.rates: dict[Hashable, float] = {}
        self.windows: dict[Hashable, dict[str, int]] = {}

    def at_hand(self, todo: Todo, model: LabelledModel, source: ModelSource) -> bool:
        """Whether a comparison will find its half of a model without a pass."""
        path = self.kept.entry(todo.task, model, source.weights).path
        if todo.task.anew:
            return False
        if path in self.halves:
            info, metrics = self.halves[path]
            return todo.applicable(info) <= metrics
        return self.kept.find(todo, model, source.weights) is not None

    def pass_over(self, model: LabelledModel, source: ModelSource, todos: Sequence[Todo]) -> None:
        """Write down what a model would have to be passed over for; one that cannot be is told."""
        try:
            adapter = self.bench.build(source)
            info = adapter.info
            seated = Seated(self.bench, Measured(model, source.weights, info), [t for t in todos if t.applicable(info)])
            self._promise(seated.collector)
            seated.collector.sow()
            for shared in seated.together:
                self.found.passes.append(self._planned(model, adapter, seated, shared))
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told
            self.found.trouble("model", model.label, len(todos), error)
            return
        for todo in todos:
            if todo.task.spec.pairs:
                path = self.kept.entry(todo.task, model, source.weights).path
                self.halves[path] = info, todo.applicable(info)

    def _promise(self, collector: Collector) -> None:
        """What an equal model under another label will have brought is not missing then."""
        for path, harvest in collector.harvests.items():
            there = self.features.setdefault(path, set())
            for key in there & harvest.missing.keys():
                del harvest.missing[key]
            there.update(harvest.missing)

    def _planned(self, model: LabelledModel, adapter: ModelAdapter, seated: Seated, shared: Shared) -> PlannedPass:
        task = next(iter(shared.values()))[0].task
        pictures: set[str] = set()
        forwards, seconds = 0, 0.0
        for feedings in seated.passes(shared):
            entries = seating(feedings)
            pictures |= {entry.item.key for entry in entries}
            count = self._forwards(entries, feedings[0], adapter.info, task.pool)
            forwards += count
            rate = self._rate(adapter, feedings, shared, f"{model.label} on {task.dataset}")
            seconds += count / rate if count else 0.0
        self.found.keys |= {(task.dataset, key) for key in pictures}
        harvests = {id(h): h for feeding in shared for h in seated.collector.needs.get(feeding, ())}.values()
        return PlannedPass(
            model=model.label,
            architecture=adapter.info.arch,
            data=task.dataset,
            preparation=type(next(iter(shared)).feed.preparation).__name__,
            seed=self.bench.seed,
            dtype=str(self.bench.dtype).removeprefix("torch."),
            analyses=tuple(dict.fromkeys(todo.task.spec.name for todo, _ in shared.values())),
            cells=sum(not todo.task.spec.pairs for todo, _ in shared.values()),
            pictures=len(pictures),
            forward_passes=forwards,
            feature_bytes=sum(h.extraction.size_of(len(h.missing)) for h in harvests),
            per_second=forwards / seconds if seconds else None,
        )

    def _forwards(self, entries: Sequence[Entry], feeding: Feeding, info: ModelInfo, pool: Hashable) -> int:
        """Inputs that the pictures of a pass become; where only preparing them tells, they are prepared, once."""
        preparation = feeding.feed.preparation
        if preparation.inputs is not None:
            return len(entries) * preparation.inputs
        known = self.windows.setdefault((pool, preparation, info.input_size, info.patch_size, info.grid), {})
        rest = [entry for entry in entries if entry.item.key not in known]
        self.bench.listener.begin("counting windows", len(rest))
        try:
            for entry, loaded in load_in_order(rest, preparation, info, ahead=16):
                known[entry.item.key] = 0 if isinstance(loaded, Exception) else len(loaded.inputs)
                self.bench.listener.advance(1)
        finally:
            self.bench.listener.finish()
        return sum(known[entry.item.key] for entry in entries)

    def _rate(self, adapter: ModelAdapter, feedings: Sequence[Feeding], shared: Shared, label: str) -> float:
        """Inputs a second, tried once for all models of one shape that the same is wanted of."""
        asked = frozenset((todo.task.spec.name, todo.metrics) for todo, _ in shared.values())
        taps = frozenset(tap for feeding in feedings for tap in feeding.feed.taps)
        pool = next(iter(shared.values()))[0].task.pool
        shape = replace(adapter.info, mean=(0.0,) * 3, std=(1.0,) * 3)
        key = shape, pool, feedings[0].feed.preparation, asked, taps
        if key not in self.rates:
            self.bench.listener.begin(f"trying {label}", 1)
            try:
                self.rates[key] = throughput(self.bench, adapter, feedings)
            finally:
                self.bench.listener.finish()
        return self.rates[key]
