"""One analyze command: measures what the store lacks, model by model, and records each run when it is complete."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from teachmatters.api import ModelRequest, ModelSource, Result
from teachmatters.api.progress import Progress
from teachmatters.cache.holding import release
from teachmatters.cache.limit import limit_of, make_room
from teachmatters.cache.location import cache_folder
from teachmatters.errors import listing
from teachmatters.registry import call
from teachmatters.runner.engines.base import Engine, EngineStarter
from teachmatters.runner.forward.device import out_of_memory
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.missing import MissingMetrics, Pairs, needed
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task, new_analysis
from teachmatters.runner.record.run import MeasuredModel, RunConditions, describe_run
from teachmatters.runner.requests import Outcome
from teachmatters.runner.session.pair_states import PairState, PairStateCache
from teachmatters.runner.session.passes import AnalysisResult, PassPlan, run_passes
from teachmatters.store import Cell, Store
from teachmatters.store.backend import backend_of
from teachmatters.store.location import StoreLocation


class AnalysisSession:
    """A session that measures the tasks of one command and records them.

    Args:
        db: the store to write.
        settings: the settings of the forward passes.
        start_engine: starts the engine that runs the forward passes; called when something has to be measured.
        progress: shows progress and remarks.
        remarks: shown before the first measurement, and never if nothing has to be measured.
        on_outcome: called with the outcome of each task of each model as soon as it is known.

    Attributes:
        outcomes: all outcomes so far, each with its task.
        remarks: the remarks that have not been shown.
    """

    def __init__(
        self,
        db: StoreLocation,
        settings: PassSettings,
        start_engine: EngineStarter,
        progress: Progress,
        *,
        remarks: Sequence[str] = (),
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> None:
        limit_of(cache_folder(db))  # an invalid limit is an error now, not after hours of work
        self.db, self.settings, self.start_engine, self.progress = db, settings, start_engine, progress
        self.remarks, self.on_outcome = list(remarks), on_outcome
        # A store that does not exist yet is created only when there is something to put into it.
        self.store = Store.open(db) if backend_of(db).exists() else None
        self.missing = MissingMetrics(self._recorded, force=settings.force)
        self.outcomes: list[tuple[Task, Outcome]] = []
        self.measured: dict[str, MeasuredModel] = {}
        self.pair_state_cache = PairStateCache(db, settings, progress.say)
        self.pair_states: dict[tuple[Task, str], PairState] = {}
        self.pair_errors: dict[tuple[Task, str], Exception] = {}
        self.pair_users: Counter[tuple[Task, str]] = Counter()  # how many pairs need a state

    def __enter__(self) -> AnalysisSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.store is not None:
            self.store.close()
        release()
        if kind is None and self.measured:
            make_room(self.pair_state_cache.folder, self.progress.say)

    def run(self, models: Sequence[LabelledModel], tasks: Sequence[Task]) -> None:
        """Measure every task of every model, then compare the pairs."""
        sources: dict[str, tuple[LabelledModel, ModelSource]] = {}
        for model in models:
            with self._guarded(model.label, tasks):
                request = ModelRequest(spec=model.spec, weights=model.weights, seed=self.settings.seed)
                sources[model.label] = model, call(model.spec.factory, request)
                self._report_kept_supervision(model, sources[model.label][1].weights)
        weights = {label: source.weights for label, (_, source) in sources.items()}
        pairs = self.missing.pairs([model.label for model in models], weights, tasks)
        self._reuse_pairs(pairs)
        for (task, first, second), metrics in pairs.items():
            self.pair_users.update((task, label) for label in {first, second} if metrics)
        for label, (model, source) in sources.items():
            pending_tasks = self._pending_singles(label, source, tasks)
            for task, metrics in needed(pairs, label).items():
                pending = PendingTask(task, metrics)
                if not self._find_pair_state(pending, model, source):
                    pending_tasks.append(pending)
            if pending_tasks:
                engine = self.start_engine()  # not guarded: without an engine, nothing can be measured
                with self._guarded(label, [pending.task for pending in pending_tasks]):
                    self._measure(engine, model, source, pending_tasks)
        for (task, first, second), metrics in pairs.items():
            if metrics:
                with self._guarded(first, [task], second):
                    self._compare(PendingTask(task, metrics), first, second)

    @contextmanager
    def _guarded(self, label: str, tasks: Sequence[Task], other: str = "") -> Iterator[None]:
        """Turn an exception into failed outcomes of those tasks that have none yet; the rest goes on."""
        try:
            with out_of_memory():
                yield
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported at the end
            ended = {task for task, o in self.outcomes if (o.model, o.other) == (label, other) and o.ended}
            for task in tasks:
                if task.spec.pairs and not other:
                    self.pair_errors[task, label] = error  # reported by every pair that needs this model
                elif task not in ended and task.wanted(label, other or label):
                    self._report(task, Outcome(model=label, other=other, status="failed", error=error))

    def _report(self, task: Task, outcome: Outcome) -> None:
        outcome = replace(outcome, dataset=task.dataset, analysis=task.spec.name, setting=task.setting)
        self.outcomes.append((task, outcome))
        if self.on_outcome is not None:
            self.on_outcome(outcome)

    # --- missing metrics

    def _recorded(self, cell: Cell) -> frozenset[str]:
        return frozenset() if self.store is None else self.store.recorded(cell)

    def _report_kept_supervision(self, model: LabelledModel, weights: str) -> None:
        """Report that stored runs keep the supervision that they were recorded with."""
        if self.store is None or model.supervision is None or self.settings.force:
            return
        if others := self.store.supervisions(model.label, weights) - {model.supervision}:
            kept = listing(repr(word) if word else "none known" for word in sorted(others))
            self.progress.say(
                f"{model.label}: runs in {self.db} have the supervision {kept} and keep it; "
                f"--force measures them again with {model.supervision!r}"
            )

    def _reuse(self, task: Task, metrics: frozenset[str], model: str, other: str = "") -> None:
        if metrics:
            items = len(task.keys)
            self._report(task, Outcome(model=model, other=other, status="reused", metrics=metrics, items=items))

    def _reuse_pairs(self, pairs: Pairs) -> None:
        for (task, first, second), missing in pairs.items():
            self._reuse(task, task.wanted(first, second) - missing, first, second)

    def _pending_singles(self, label: str, source: ModelSource, tasks: Sequence[Task]) -> list[PendingTask]:
        missing = self.missing.singles(label, source.weights, tasks)
        for task, metrics in missing.items():
            self._reuse(task, task.wanted(label) - metrics, label)
        return [PendingTask(task, metrics) for task, metrics in missing.items() if metrics]

    def _find_pair_state(self, pending: PendingTask, model: LabelledModel, source: ModelSource) -> bool:
        """Return whether an earlier command left the state that this comparison needs of the model."""
        force = self.settings.force or pending.task.force
        found = None if force else self.pair_state_cache.find(pending, model, source.weights)
        if found is not None:
            info, self.pair_states[pending.task, model.label] = found
            self.measured.setdefault(model.label, MeasuredModel(model, source.weights, info, source.remarks))
        return found is not None

    # --- measuring

    def _measure(
        self, engine: Engine, model: LabelledModel, source: ModelSource, pending_tasks: Sequence[PendingTask]
    ) -> None:
        start = time.perf_counter()
        executor = engine.open(model, source, self.settings, self.progress)
        measured = self.measured[model.label] = MeasuredModel(model, source.weights, executor.info, source.remarks)
        for remark in source.remarks:
            self.progress.say(f"{model.label}: {remark}")
        while self.remarks:
            self.progress.say(self.remarks.pop(0))
        applicable: list[PendingTask] = []
        for pending in pending_tasks:
            with self._guarded(model.label, [pending.task]):
                if pending.applicable(executor.info):
                    pending.check(executor.info)
                    applicable.append(pending)
                elif not pending.task.spec.pairs:
                    self._record(pending, (measured, None), self._no_passes(), Result())
        opening = (time.perf_counter() - start) / max(len(applicable), 1)
        plan = PassPlan(self.settings, measured, applicable, self.progress.say)
        for pending, error in plan.refused:
            with self._guarded(model.label, [pending.task]):
                raise error
        # The generator is closed here and not by the garbage collector, since a stored exception may keep it alive.
        with closing(run_passes(plan, executor)) as results:
            for result in results:
                # If one analysis fails, the others keep what they gathered in the same pass.
                with self._guarded(model.label, [result.pending.task]):
                    self._complete(measured, replace(result, conditions=result.conditions.longer(opening)))

    def _no_passes(self) -> RunConditions:
        return RunConditions(datetime.now(UTC), self.settings.device, looked=False)

    def _complete(self, measured: MeasuredModel, gathered: AnalysisResult) -> None:
        if gathered.error is not None:
            raise gathered.error
        pending, conditions, start = gathered.pending, gathered.conditions, time.perf_counter()
        conditions.skipped_of(pending.task)  # raises if no image could be read
        if pending.task.spec.pairs:
            state = self.pair_state_cache.keep(gathered, measured.asked, measured.weights)
            conditions = conditions.longer(time.perf_counter() - start)
            self.pair_states[pending.task, measured.asked.label] = replace(state, conditions=conditions)
        else:
            result = gathered.analysis.compute(gathered.state())
            self._record(pending, (measured, None), conditions.longer(time.perf_counter() - start), result)

    def _compare(self, pending: PendingTask, first: str, second: str) -> None:
        for label in (first, second):
            if (error := self.pair_errors.get((pending.task, label))) is not None:
                raise error
        model, other_model = self.measured[first], self.measured[second]
        applicable = pending.applicable(model.info, other_model.info)
        if not applicable:
            self._record(pending, (model, other_model), self._no_passes(), Result())
            return
        start = time.perf_counter()
        state, other = self.pair_states[pending.task, first], self.pair_states[pending.task, second]
        analysis = new_analysis(pending.task.spec)
        # The states may have been gathered for other pairs as well, which lacked other metrics.
        analysis.start(replace(state.context, metrics=applicable))
        result = analysis.compare(state.state(), other.state())
        result.records = [record for record in result.records if record.metric in pending.metrics]
        result.maps = [stored for stored in result.maps if stored.metric in pending.metrics]
        passes = sum(
            self.pair_states[pending.task, label].conditions.seconds / self.pair_users[pending.task, label]
            for label in {first, second}
        )
        conditions = replace(state.conditions, seconds=passes + time.perf_counter() - start)
        self._record(pending, (model, other_model), conditions, result)

    def _record(
        self,
        pending: PendingTask,
        models: tuple[MeasuredModel, MeasuredModel | None],
        conditions: RunConditions,
        result: Result,
    ) -> None:
        measured = [model for model in models if model]
        for lack, metrics in sorted(pending.lacking(*(model.info for model in measured)).items()):
            result.notes[f"not applicable without {lack}"] = sorted(metrics)
        if pools := sorted({model.asked.label for model in measured if pending.pools(model.info)}):
            result.notes["the feature is the mean of the patch tokens, because the model has no class token"] = pools
        run = describe_run(pending, models, conditions, result)
        if self.store is None:
            self.store = Store.open(self.db)
        self.store.record(run, result)
        outcome = Outcome(
            model=run.cell.model,
            other=run.cell.other_model,
            status="done",
            metrics=pending.metrics,
            items=run.n_items,
            skipped=run.n_skipped,
            seconds=run.seconds,
            notes=dict(run.notes),
        )
        self._report(pending.task, outcome)
