"""One analyze command under way: what is missing of it is measured, model by model, and each run committed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from teachmatters.api import ModelRequest, ModelSource, Result
from teachmatters.cache.holding import release
from teachmatters.cache.limit import limit_of, make_room
from teachmatters.cache.location import cache_folder
from teachmatters.errors import listing
from teachmatters.registry import call
from teachmatters.runner.forward.device import out_of_memory
from teachmatters.runner.plan.missing import MissingMetrics, Pairs, needed
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import MeasuredModel, RunConditions, describe_run
from teachmatters.runner.record.validate import UNIT
from teachmatters.runner.requests import Outcome
from teachmatters.runner.session.pair_states import PairState, PairStateCache
from teachmatters.runner.session.passes import AnalysisResult, PassSettings, PendingTask
from teachmatters.store import Cell, Store
from teachmatters.store.location import StoreLocation


class AnalysisSession:
    """One command under way.

    Args:
        db: the store to write.
        settings: where and how forward passes are made.
        said: sentences for the moment when it is clear that something is measured.
        tell: is told how each task of each model ended, at once.

    Attributes:
        ended: how everything ended so far, with its task.
    """

    def __init__(
        self,
        db: StoreLocation,
        settings: PassSettings,
        said: Sequence[str] = (),
        tell: Callable[[Outcome], None] | None = None,
    ) -> None:
        limit_of(cache_folder(db))  # what cannot be read of it is said before hours of work, not after
        self.db, self.settings, self.said, self.tell = db, settings, list(said), tell
        # A store that does not exist yet is made only when there is something to put into it.
        self.store = Store.open(db) if db.exists() else None
        self.missing_metrics = MissingMetrics(self._recorded, force=settings.force)
        self.ended: list[tuple[Task, Outcome]] = []
        self.measured: dict[str, MeasuredModel] = {}
        self.kept = PairStateCache(db, settings)
        self.halves: dict[tuple[Task, str], PairState] = {}
        self.broken: dict[tuple[Task, str], Exception] = {}
        self.users: Counter[tuple[Task, str]] = Counter()  # the pairs that a half is for

    def __enter__(self) -> AnalysisSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.store is not None:
            self.store.close()
        release()
        if kind is None and self.measured:
            make_room(self.kept.folder, self.settings.progress.say)

    def run(self, models: Sequence[LabelledModel], tasks: Sequence[Task]) -> None:
        """Everything, model by model, pairs at the end."""
        sources: dict[str, tuple[LabelledModel, ModelSource]] = {}
        for model in models:
            with self._guarded(model.label, tasks):
                asked = ModelRequest(spec=model.spec, weights=model.weights, seed=self.settings.seed)
                sources[model.label] = model, call(model.spec.factory, asked)
                self._say_what_stays(model, sources[model.label][1].weights)
        weights = {label: source.weights for label, (_, source) in sources.items()}
        pairs = self.missing_metrics.pairs([model.label for model in models], weights, tasks)
        self._reuse_pairs(pairs)
        for (task, first, second), missing in pairs.items():
            self.users.update((task, label) for label in {first, second} if missing)
        for label, (model, source) in sources.items():
            pending_tasks = self._singles(label, source, tasks)
            halves = [PendingTask(task, missing) for task, missing in needed(pairs, label).items()]
            pending_tasks += [pending for pending in halves if not self._at_hand(pending, model, source)]
            if pending_tasks:
                with self._guarded(label, [pending.task for pending in pending_tasks]):
                    self._measure(model, source, pending_tasks)
        for (task, first, second), missing in pairs.items():
            if missing:
                with self._guarded(first, [task], second):
                    self._compare(PendingTask(task, missing), first, second)

    @contextmanager
    def _guarded(self, label: str, tasks: Sequence[Task], other: str = "") -> Iterator[None]:
        """What fails inside has failed for those tasks that have not ended yet; the rest goes on."""
        try:
            with out_of_memory():
                yield
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told at the end
            ended = {task for task, o in self.ended if (o.model, o.other) == (label, other) and o.ended}
            for task in tasks:
                if task.spec.pairs and not other:
                    self.broken[task, label] = error  # told by every pair that it is a half of
                elif task not in ended and task.wanted(label, other or label):
                    self._tell(task, Outcome(model=label, other=other, status="failed", error=error))

    def _tell(self, task: Task, outcome: Outcome) -> None:
        about = replace(outcome, dataset=task.dataset, analysis=task.spec.name, setting=task.setting)
        self.ended.append((task, about))
        if self.tell is not None:
            self.tell(about)

    # --- what is missing

    def _recorded(self, cell: Cell) -> frozenset[str]:
        return frozenset() if self.store is None else self.store.recorded(cell)

    def _say_what_stays(self, model: LabelledModel, weights: str) -> None:
        """A stored run keeps the supervision that it was recorded with."""
        if self.store is None or model.supervision is None or self.settings.force:
            return
        if others := self.store.supervisions(model.label, weights) - {model.supervision}:
            kept = listing(repr(word) if word else "none known" for word in sorted(others))
            self.settings.progress.say(
                f"{model.label}: runs in {self.db} have the supervision {kept} and keep it; "
                f"--force measures them again with {model.supervision!r}"
            )

    def _reused(self, task: Task, metrics: frozenset[str], model: str, other: str = "") -> None:
        if metrics:
            items = len(task.keys)
            self._tell(task, Outcome(model=model, other=other, status="reused", metrics=metrics, items=items))

    def _reuse_pairs(self, pairs: Pairs) -> None:
        for (task, first, second), missing in pairs.items():
            self._reused(task, task.wanted(first, second) - missing, first, second)

    def _singles(self, label: str, source: ModelSource, tasks: Sequence[Task]) -> list[PendingTask]:
        missing = self.missing_metrics.singles(label, source.weights, tasks)
        for task, metrics in missing.items():
            self._reused(task, task.wanted(label) - metrics, label)
        return [PendingTask(task, metrics) for task, metrics in missing.items() if metrics]

    def _at_hand(self, pending: PendingTask, model: LabelledModel, source: ModelSource) -> bool:
        """Whether an earlier command has passed over the model for this comparison."""
        found = None if self.settings.force or pending.task.force else self.kept.find(pending, model, source.weights)
        if found is not None:
            info, self.halves[pending.task, model.label] = found
            self.measured.setdefault(model.label, MeasuredModel(model, source.weights, info, source.remarks))
        return found is not None

    # --- measuring

    def _measure(self, model: LabelledModel, source: ModelSource, pending_tasks: Sequence[PendingTask]) -> None:
        begun = time.perf_counter()
        network = self.settings.open(model, source)
        measured = self.measured[model.label] = MeasuredModel(model, source.weights, network.info, source.remarks)
        for remark in source.remarks:
            self.settings.progress.say(f"{model.label}: {remark}")
        while self.said:
            self.settings.progress.say(self.said.pop(0))
        able = [pending for pending in pending_tasks if pending.applicable(network.info)]
        for pending in pending_tasks:
            if pending not in able and not pending.task.spec.pairs:
                self._record(pending, (measured, None), self._nothing(), Result())
        opened = (time.perf_counter() - begun) / max(len(able), 1)
        # Closed here, not when nobody refers to it any longer: an error that is kept for the end may do so.
        with closing(self.settings.gather(measured, network, able)) as everything:
            for gathered in everything:
                # What the others saw in this pass is not lost when one of them fails.
                with self._guarded(model.label, [gathered.pending.task]):
                    self._gathered(measured, replace(gathered, conditions=gathered.conditions.longer(opened)))

    def _nothing(self) -> RunConditions:
        return RunConditions(datetime.now(UTC), self.settings.device, looked=False)

    def _gathered(self, measured: MeasuredModel, gathered: AnalysisResult) -> None:
        if gathered.error is not None:
            raise gathered.error
        pending, conditions, begun = gathered.pending, gathered.conditions, time.perf_counter()
        conditions.skipped_of(pending.task)  # refuses to compute from nothing
        if pending.task.spec.pairs:
            half = self.kept.keep(gathered, measured.asked, measured.weights)
            conditions = conditions.longer(time.perf_counter() - begun)
            self.halves[pending.task, measured.asked.label] = replace(half, conditions=conditions)
        else:
            result = gathered.analysis.compute(gathered.state())
            self._record(pending, (measured, None), conditions.longer(time.perf_counter() - begun), result)

    def _compare(self, pending: PendingTask, first: str, second: str) -> None:
        for label in (first, second):
            if (error := self.broken.get((pending.task, label))) is not None:
                raise error
        one, two = self.measured[first], self.measured[second]
        if not pending.applicable(one.info, two.info):
            self._record(pending, (one, two), self._nothing(), Result())
            return
        begun = time.perf_counter()
        half, other = self.halves[pending.task, first], self.halves[pending.task, second]
        analysis = pending.task.new_analysis()
        # The passes may have been made for other pairs too, of which more was missing, not necessarily the same.
        analysis.start(replace(half.context, metrics=pending.applicable(one.info, two.info)))
        result = analysis.compare(half.state(), other.state())
        result.records = [each for each in result.records if each.metric in pending.metrics]
        result.maps = [each for each in result.maps if each.name.removeprefix(UNIT) in pending.metrics]
        passes = sum(
            self.halves[pending.task, label].conditions.seconds / self.users[pending.task, label]
            for label in {first, second}
        )
        conditions = replace(half.conditions, seconds=passes + time.perf_counter() - begun)
        self._record(pending, (one, two), conditions, result)

    def _record(
        self,
        pending: PendingTask,
        models: tuple[MeasuredModel, MeasuredModel | None],
        conditions: RunConditions,
        result: Result,
    ) -> None:
        applicable = pending.applicable(*(model.info for model in models if model))
        if pending.metrics - applicable:
            result.notes["not applicable without a class token"] = sorted(pending.metrics - applicable)
        run = describe_run(pending.task, pending.metrics, models, conditions, result)
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
        self._tell(pending.task, outcome)
