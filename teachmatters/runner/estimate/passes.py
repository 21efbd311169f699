"""The passes that a study would make of one model after the other, counted and tried, but not made."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from teachmatters.api import ModelAdapter, ModelInfo, ModelSource
from teachmatters.runner.estimate.result import Estimate, EstimatedPass
from teachmatters.runner.estimate.throughput import throughput
from teachmatters.runner.features.plan import FeaturePlan
from teachmatters.runner.forward.loader import load_in_order
from teachmatters.runner.forward.schedule import PassMember, ScheduledImage, build_schedule
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.session.pair_states import PairStateCache
from teachmatters.runner.session.passes import PassPlan, PassSettings, PendingTask, SharedPass
from teachmatters.store.location import StoreLocation


class PassEstimator:
    """The passes of one bench, as a Work would make them.

    Args:
        db: the store.
        settings: where and how.
        found: where what is found out is written down.
    """

    def __init__(self, db: StoreLocation, settings: PassSettings, found: Estimate) -> None:
        self.settings, self.found = settings, found
        self.kept = PairStateCache(db, settings)
        self.halves: dict[Path, tuple[ModelInfo, frozenset[str]]] = {}  # that earlier models will have left
        self.features: dict[Path, set[str]] = {}
        self.rates: dict[Hashable, float] = {}
        self.windows: dict[Hashable, dict[str, int]] = {}

    def at_hand(self, pending: PendingTask, model: LabelledModel, source: ModelSource) -> bool:
        """Whether a comparison will find its half of a model without a pass."""
        path = self.kept.entry(pending.task, model, source.weights).path
        if pending.task.force:
            return False
        if path in self.halves:
            info, metrics = self.halves[path]
            return pending.applicable(info) <= metrics
        return self.kept.find(pending, model, source.weights) is not None

    def pass_over(self, model: LabelledModel, source: ModelSource, pending_tasks: Sequence[PendingTask]) -> None:
        """Write down what a model would have to be passed over for; one that cannot be is told."""
        try:
            adapter = self.settings.build(source)
            info = adapter.info
            seated = PassPlan(
                self.settings,
                MeasuredModel(model, source.weights, info),
                [t for t in pending_tasks if t.applicable(info)],
            )
            self._promise(seated.collector)
            seated.collector.create_jobs()
            for shared in seated.together:
                self.found.passes.append(self._planned(model, adapter, seated, shared))
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told
            self.found.trouble("model", model.label, len(pending_tasks), error)
            return
        for pending in pending_tasks:
            if pending.task.spec.pairs:
                path = self.kept.entry(pending.task, model, source.weights).path
                self.halves[path] = info, pending.applicable(info)

    def _promise(self, collector: FeaturePlan) -> None:
        """What an equal model under another label will have brought is not missing then."""
        for path, extraction in collector.extractions.items():
            there = self.features.setdefault(path, set())
            for key in there & extraction.missing.keys():
                del extraction.missing[key]
            there.update(extraction.missing)

    def _planned(
        self, model: LabelledModel, adapter: ModelAdapter, seated: PassPlan, shared: SharedPass
    ) -> EstimatedPass:
        task = next(iter(shared.values()))[0].task
        images: set[str] = set()
        forwards, seconds = 0, 0.0
        for members in seated.passes(shared):
            entries = build_schedule(members)
            images |= {entry.item.key for entry in entries}
            count = self._forwards(entries, members[0], adapter.info, task.pool)
            forwards += count
            rate = self._rate(adapter, members, shared, f"{model.label} on {task.dataset}")
            seconds += count / rate if count else 0.0
        self.found.keys |= {(task.dataset, key) for key in images}
        extractions = {id(h): h for member in shared for h in seated.collector.needs.get(member, ())}.values()
        return EstimatedPass(
            model=model.label,
            architecture=adapter.info.arch,
            data=task.dataset,
            transform=type(next(iter(shared)).input_spec.transform).__name__,
            seed=self.settings.seed,
            dtype=str(self.settings.dtype).removeprefix("torch."),
            analyses=tuple(dict.fromkeys(pending.task.spec.name for pending, _ in shared.values())),
            cells=sum(not pending.task.spec.pairs for pending, _ in shared.values()),
            images=len(images),
            forward_passes=forwards,
            feature_bytes=sum(h.feature_shards.size_of(len(h.missing)) for h in extractions),
            per_second=forwards / seconds if seconds else None,
        )

    def _forwards(self, entries: Sequence[ScheduledImage], member: PassMember, info: ModelInfo, pool: Hashable) -> int:
        """Inputs that the images of a pass become; where only preparing them tells, they are prepared, once."""
        transform = member.input_spec.transform
        if transform.inputs is not None:
            return len(entries) * transform.inputs
        known = self.windows.setdefault((pool, transform, info.input_size, info.patch_size, info.grid), {})
        rest = [entry for entry in entries if entry.item.key not in known]
        self.settings.progress.begin("counting windows", len(rest))
        try:
            for entry, loaded in load_in_order(rest, transform, info, ahead=16):
                known[entry.item.key] = 0 if isinstance(loaded, Exception) else len(loaded.inputs)
                self.settings.progress.advance(1)
        finally:
            self.settings.progress.finish()
        return sum(known[entry.item.key] for entry in entries)

    def _rate(self, adapter: ModelAdapter, members: Sequence[PassMember], shared: SharedPass, label: str) -> float:
        """Inputs a second, tried once for all models of one shape that the same is wanted of."""
        asked = frozenset((pending.task.spec.name, pending.metrics) for pending, _ in shared.values())
        taps = frozenset(tap for member in members for tap in member.input_spec.taps)
        pool = next(iter(shared.values()))[0].task.pool
        shape = replace(adapter.info, mean=(0.0,) * 3, std=(1.0,) * 3)
        key = shape, pool, members[0].input_spec.transform, asked, taps
        if key not in self.rates:
            self.settings.progress.begin(f"trying {label}", 1)
            try:
                self.rates[key] = throughput(self.settings, adapter, members)
            finally:
                self.settings.progress.finish()
        return self.rates[key]
