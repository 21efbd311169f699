"""One analyze command under way: what is missing of it is measured, model by model, and each run committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations_with_replacement

from teachmatters.api import ModelRequest, ModelSource, Result
from teachmatters.registry import call
from teachmatters.runner.check import UNIT
from teachmatters.runner.device import out_of_memory
from teachmatters.runner.halves import Half, Halves
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.measure import Bench, Gathered, Todo
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Measured, Sitting, cell_of, describe
from teachmatters.runner.request import AnalyzeRequest, Outcome
from teachmatters.store import Cell, Store


class Work:
    """One analyze command under way.

    Attributes:
        outcomes: how everything ended so far.
    """

    def __init__(self, request: AnalyzeRequest, bench: Bench, said: Sequence[str]) -> None:
        self.request, self.bench, self.said = request, bench, list(said)
        # A store that does not exist yet is made only when there is something to put into it.
        self.store = Store.open(request.db) if request.db.exists() else None
        self.outcomes: list[Outcome] = []
        self.measured: dict[str, Measured] = {}
        self.kept = Halves(request.db, bench)
        self.halves: dict[tuple[Task, str], Half] = {}
        self.broken: dict[tuple[Task, str], Exception] = {}

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        if self.store is not None:
            self.store.close()

    def run(self, models: Sequence[LabelledModel], tasks: Sequence[Task]) -> None:
        """Everything, model by model, pairs at the end."""
        sources: dict[str, tuple[LabelledModel, ModelSource]] = {}
        for model in models:
            with self._guarded(model.label, tasks):
                asked = ModelRequest(spec=model.spec, weights=model.weights, seed=self.request.seed)
                sources[model.label] = model, call(model.spec.factory, asked)
        pairs = self._pairs([m.label for m in models], sources, [task for task in tasks if task.spec.pairs])
        for label, (model, source) in sources.items():
            todos = self._singles(label, source, [task for task in tasks if not task.spec.pairs])
            needed = [Todo(task, missing) for task, missing in _needed(pairs, label).items()]
            todos += [todo for todo in needed if not self._at_hand(todo, model, source)]
            if todos:
                with self._guarded(label, [todo.task for todo in todos]):
                    self._measure(model, source, todos)
        for (task, first, second), missing in pairs.items():
            with self._guarded(first, [task], second):
                self._compare(Todo(task, missing), first, second)

    @contextmanager
    def _guarded(self, label: str, tasks: Sequence[Task], other: str = "") -> Iterator[None]:
        """What fails inside has failed for those tasks that have not ended yet; the rest goes on."""
        try:
            with out_of_memory():
                yield
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told at the end
            ended = {(o.dataset, o.analysis) for o in self.outcomes if (o.model, o.other) == (label, other) and o.ended}
            for task in tasks:
                if task.spec.pairs and not other:
                    self.broken[task, label] = error  # told by every pair that it is a half of
                elif (task.dataset, task.spec.name) not in ended:
                    self._tell(task, Outcome(model=label, other=other, status="failed", error=error))

    def _tell(self, task: Task, outcome: Outcome) -> None:
        about = replace(outcome, dataset=task.dataset, analysis=task.spec.name, setting=task.setting)
        self.outcomes.append(about)

    def _reused(self, task: Task, metrics: frozenset[str], model: str, other: str = "") -> None:
        if metrics:
            items = len(task.keys)
            self._tell(task, Outcome(model=model, other=other, status="reused", metrics=metrics, items=items))

    # --- what is missing

    def _missing(self, task: Task, cell: Cell) -> frozenset[str]:
        if self.request.force or task.anew or self.store is None:
            return task.metrics
        return task.metrics - self.store.recorded(cell)

    def _singles(self, label: str, source: ModelSource, tasks: Sequence[Task]) -> list[Todo]:
        todos = []
        for task in tasks:
            missing = self._missing(task, cell_of(task, label, source.weights))
            if missing:
                todos.append(Todo(task, missing))
            self._reused(task, task.metrics - missing, label)
        return todos

    def _pairs(
        self,
        labels: Sequence[str],
        sources: dict[str, tuple[LabelledModel, ModelSource]],
        tasks: Sequence[Task],
    ) -> dict[tuple[Task, str, str], frozenset[str]]:
        """Every pair with what is missing of it, labels in their canonical order."""
        pairs = {}
        for task in tasks:
            for first, second in combinations_with_replacement(sorted(labels), 2):
                missing = task.metrics
                if first in sources and second in sources:
                    weights = [sources[label][1].weights for label in (first, second)]
                    missing = self._missing(task, cell_of(task, first, weights[0], second, weights[1]))
                if missing:
                    pairs[task, first, second] = missing
                self._reused(task, task.metrics - missing, first, second)
        return pairs

    def _at_hand(self, todo: Todo, model: LabelledModel, source: ModelSource) -> bool:
        """Whether an earlier command has passed over the model for this comparison."""
        found = None if self.request.force or todo.task.anew else self.kept.find(todo, model, source.weights)
        if found is not None:
            info, self.halves[todo.task, model.label] = found
            self.measured.setdefault(model.label, Measured(model, source.weights, info))
        return found is not None

    # --- measuring

    def _measure(self, model: LabelledModel, source: ModelSource, todos: Sequence[Todo]) -> None:
        adapter = self.bench.build(source)
        measured = self.measured[model.label] = Measured(model, source.weights, adapter.info)
        while self.said:
            self.bench.listener.say(self.said.pop(0))
        able = [todo for todo in todos if todo.applicable(adapter.info)]
        for todo in todos:
            if todo not in able and not todo.task.spec.pairs:
                self._record(todo, (measured, None), self._nothing(), Result())
        for gathered in self.bench.gather(measured, adapter, able):
            # What the others saw in this pass is not lost when one of them fails.
            with self._guarded(model.label, [gathered.todo.task]):
                self._gathered(measured, gathered)

    def _nothing(self) -> Sitting:
        return Sitting(datetime.now(UTC), self.bench.device, looked=False)

    def _gathered(self, measured: Measured, gathered: Gathered) -> None:
        if gathered.error is not None:
            raise gathered.error
        todo, sitting = gathered.todo, gathered.sitting
        sitting.skipped_of(todo.task)  # refuses to compute from nothing
        if todo.task.spec.pairs:
            half = self.kept.keep(gathered, measured.asked, measured.weights)
            self.halves[todo.task, measured.asked.label] = half
        else:
            result = gathered.analysis.compute(gathered.analysis.state())
            self._record(todo, (measured, None), sitting, result)

    def _compare(self, todo: Todo, first: str, second: str) -> None:
        for label in (first, second):
            if (error := self.broken.get((todo.task, label))) is not None:
                raise error
        one, two = self.measured[first], self.measured[second]
        if not todo.applicable(one.info, two.info):
            self._record(todo, (one, two), self._nothing(), Result())
            return
        half, other = self.halves[todo.task, first], self.halves[todo.task, second]
        analysis = todo.task.new_analysis()
        analysis.start(half.context)
        result = analysis.compare(half.state(), other.state())
        # The passes may have been made for other pairs too, of which more was missing.
        result.records = [each for each in result.records if each.metric in todo.metrics]
        result.maps = [each for each in result.maps if each.name.removeprefix(UNIT) in todo.metrics]
        self._record(todo, (one, two), half.sitting, result)

    def _record(self, todo: Todo, models: tuple[Measured, Measured | None], sitting: Sitting, result: Result) -> None:
        applicable = todo.applicable(*(model.info for model in models if model))
        if todo.metrics - applicable:
            result.notes["not applicable without a class token"] = sorted(todo.metrics - applicable)
        run = describe(todo.task, todo.metrics, models, sitting, result)
        if self.store is None:
            self.store = Store.open(self.request.db)
        self.store.record(run, result)
        outcome = Outcome(
            model=run.cell.model,
            other=run.cell.other_model,
            status="done",
            metrics=todo.metrics,
            items=run.n_items,
            skipped=run.n_skipped,
            seconds=(run.finished_at - run.started_at).total_seconds(),
            notes=dict(run.notes),
        )
        self._tell(todo.task, outcome)


def _needed(pairs: dict[tuple[Task, str, str], frozenset[str]], label: str) -> dict[Task, frozenset[str]]:
    """The pair tasks that a model has to be passed over for."""
    needed: dict[Task, frozenset[str]] = {}
    for (task, *labels), missing in pairs.items():
        if label in labels:
            needed[task] = needed.get(task, frozenset()) | missing
    return needed
