"""Estimates of the passes that a study would run, one model after the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from teachmatters.api import ModelAdapter, ModelInfo, ModelSource
from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError
from teachmatters.runner.estimate.result import Estimate, EstimatedPass
from teachmatters.runner.estimate.throughput import throughput
from teachmatters.runner.features.plan import FeaturePlan
from teachmatters.runner.forward.build import build_model
from teachmatters.runner.forward.loader import load_in_order
from teachmatters.runner.forward.schedule import PassMember, ScheduledImage, build_schedule
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.session.pair_states import PairStateCache
from teachmatters.runner.session.passes import PassPlan, SharedPass
from teachmatters.store.location import StoreLocation


class PassEstimator:
    """An estimator of the passes that an AnalysisSession would run.

    Args:
        db: the store.
        settings: the settings of the passes.
        estimate: filled in.
        progress: shows progress.
    """

    def __init__(self, db: StoreLocation, settings: PassSettings, estimate: Estimate, progress: Progress) -> None:
        self.settings, self.estimate, self.progress = settings, estimate, progress
        self.pair_state_cache = PairStateCache(db, settings, progress.say)
        self.pair_states: dict[Path, tuple[ModelInfo, frozenset[str]]] = {}  # left by earlier models of this study
        self.features: dict[Path, set[str]] = {}
        self.rates: dict[Hashable, float] = {}
        self.windows: dict[Hashable, dict[str, int]] = {}

    def has_pair_state(self, pending: PendingTask, model: LabelledModel, source: ModelSource) -> bool:
        """Return whether a comparison finds the state of a model without a pass."""
        path = self.pair_state_cache.entry(pending.task, model, source.weights).path
        if pending.task.force:
            return False
        if path in self.pair_states:
            info, metrics = self.pair_states[path]
            return pending.applicable(info) <= metrics
        return self.pair_state_cache.find(pending, model, source.weights) is not None

    def add_model(self, model: LabelledModel, source: ModelSource, pending_tasks: Sequence[PendingTask]) -> None:
        """Add the passes that a model is missing; a model that cannot be built becomes an obstacle."""
        try:
            adapter = build_model(source, self.settings)
            info = adapter.info
            measured = MeasuredModel(model, source.weights, info)
            applicable = [pending for pending in pending_tasks if self._suits(pending, model, info)]
            plan = PassPlan(self.settings, measured, applicable, self.progress.say)
            for _, error in plan.refused:
                self.estimate.add_obstacle("model", model.label, 1, error)
            self._discount(plan.features)
            plan.features.create_jobs()
            for shared in plan.groups:
                self.estimate.passes.append(self._estimated(model, adapter, plan, shared))
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported
            self.estimate.add_obstacle("model", model.label, len(pending_tasks), error)
            return
        for pending in pending_tasks:
            if pending.task.spec.pairs:
                path = self.pair_state_cache.entry(pending.task, model, source.weights).path
                self.pair_states[path] = info, pending.applicable(info)

    def _suits(self, pending: PendingTask, model: LabelledModel, info: ModelInfo) -> bool:
        """Return whether a task can be measured; parameters that do not suit the model are an obstacle."""
        try:
            pending.check(info)
        except TeachMattersError as error:
            self.estimate.add_obstacle("model", model.label, 1, error)
            return False
        return bool(pending.applicable(info))

    def _discount(self, features: FeaturePlan) -> None:
        """Remove the features that the same model under another label will have written."""
        for path, extraction in features.extractions.items():
            there = self.features.setdefault(path, set())
            for key in there & extraction.missing.keys():
                del extraction.missing[key]
            there.update(extraction.missing)

    def _estimated(
        self, model: LabelledModel, adapter: ModelAdapter, plan: PassPlan, shared: SharedPass
    ) -> EstimatedPass:
        task = next(iter(shared.values()))[0].task
        images: set[str] = set()
        forwards, seconds = 0, 0.0
        for members in plan.passes(shared):
            entries = build_schedule(members)
            images |= {entry.item.key for entry in entries}
            count = self._forwards(entries, members[0], adapter.info, task.pool)
            forwards += count
            rate = self._rate(adapter, members, shared, f"{model.label} on {task.dataset}")
            seconds += count / rate if count else 0.0
        self.estimate.keys |= {(task.dataset, key) for key in images}
        extractions = {id(h): h for member in shared for h in plan.features.needs.get(member, ())}.values()
        return EstimatedPass(
            model=model.label,
            architecture=adapter.info.arch,
            data=task.dataset,
            transform=type(next(iter(shared)).input_spec.transform).__name__,
            seed=self.settings.seed,
            dtype=self.settings.dtype_name,
            analyses=tuple(dict.fromkeys(pending.task.spec.name for pending, _ in shared.values())),
            cells=sum(not pending.task.spec.pairs for pending, _ in shared.values()),
            images=len(images),
            forward_passes=forwards,
            feature_bytes=sum(h.feature_shards.size_of(len(h.missing)) for h in extractions),
            per_second=forwards / seconds if seconds else None,
        )

    def _forwards(self, entries: Sequence[ScheduledImage], member: PassMember, info: ModelInfo, pool: Hashable) -> int:
        """Return the number of inputs of a pass; a transform that does not declare it is applied to each image once."""
        transform = member.input_spec.transform
        if transform.inputs is not None:
            return len(entries) * transform.inputs
        known = self.windows.setdefault((pool, transform, info.input_size, info.patch_size, info.grid), {})
        rest = [entry for entry in entries if entry.item.key not in known]
        self.progress.begin("counting windows", len(rest))
        try:
            for entry, loaded in load_in_order(rest, transform, info, ahead=16):
                known[entry.item.key] = 0 if isinstance(loaded, Exception) else len(loaded.inputs)
                self.progress.advance(1)
        finally:
            self.progress.finish()
        return sum(known[entry.item.key] for entry in entries)

    def _rate(self, adapter: ModelAdapter, members: Sequence[PassMember], shared: SharedPass, label: str) -> float:
        """Return inputs per second, measured once for all models of one shape and the same metrics."""
        requested = frozenset((pending.task.spec.name, pending.metrics) for pending, _ in shared.values())
        taps = frozenset(tap for member in members for tap in member.input_spec.taps)
        pool = next(iter(shared.values()))[0].task.pool
        shape = replace(adapter.info, mean=(0.0,) * 3, std=(1.0,) * 3)
        key = shape, pool, members[0].input_spec.transform, requested, taps
        if key not in self.rates:
            self.progress.begin(f"trying {label}", 1)
            try:
                self.rates[key] = throughput(self.settings, adapter, members)
            finally:
                self.progress.finish()
        return self.rates[key]
