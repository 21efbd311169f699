"""``tm analyze``: what is missing from the store is measured, what is there is reused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import combinations_with_replacement

import torch

from teachmatters.api import ModelRequest, ModelSource, Result, State
from teachmatters.errors import TeachMattersError
from teachmatters.registry import load, load_object
from teachmatters.runner.device import find_device
from teachmatters.runner.labels import LabelledModel, labelled_models
from teachmatters.runner.measure import Bench, Gathered, Todo
from teachmatters.runner.plan import Task, plan
from teachmatters.runner.record import Measured, Sitting, cell_of, record
from teachmatters.runner.request import AnalyzeRequest, Listener, Outcome, Silence
from teachmatters.store import Cell, Store
from teachmatters.store.files import check_writable

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def analyze(request: AnalyzeRequest, listener: Listener | None = None) -> list[Outcome]:
    """Measure what is missing and commit each run as it is done.

    Args:
        request: what to measure of which models on which data.
        listener: is told what goes on.

    Returns:
        how each (model or pair, data set, analysis) ended, in the order of the request.

    Raises:
        TeachMattersError: the request cannot be carried out, or the only model of it failed. Of several models one that
            fails does not stop the rest.
    """
    listener = listener or Silence()
    _check_numbers(request)
    check_writable(request.db)  # before hours of work, not after
    registry = load()
    models = labelled_models(registry, request.models, request.weights)
    device = find_device(request.device)
    tasks, said = plan(registry, request)
    bench = Bench(
        device=device,
        dtype=DTYPES[request.dtype],
        batch_size=request.batch_size,
        seed=request.seed,
        limit=request.limit,
        listener=listener,
    )
    with _Work(request, bench, said) as work:
        return work.run(models, tasks)


def _check_numbers(request: AnalyzeRequest) -> None:
    for option, value, least in (
        ("--limit", request.limit, 1),
        ("--batch-size", request.batch_size, 1),
        ("--seed", request.seed, 0),
    ):
        if value is not None and value < least:
            raise TeachMattersError(f"{option} {value}: it must be at least {least}")
    if request.dtype not in DTYPES:
        raise TeachMattersError(f"unknown dtype {request.dtype!r}; allowed: {', '.join(DTYPES)}")
    if not request.models or not request.metrics:
        raise TeachMattersError("nothing to do: name at least one --model and one --metric ('tm models', 'tm metrics')")


class _Work:
    """One analyze command under way."""

    def __init__(self, request: AnalyzeRequest, bench: Bench, said: Sequence[str]) -> None:
        self.request, self.bench, self.said = request, bench, list(said)
        # A store that does not exist yet is made only when there is something to put into it.
        self.store = Store.open(request.db) if request.db.exists() else None
        self.outcomes: list[Outcome] = []
        self.states: dict[tuple[Task, str], tuple[Measured, Gathered, State]] = {}

    def __enter__(self) -> _Work:
        return self

    def __exit__(self, *_: object) -> None:
        if self.store is not None:
            self.store.close()

    def run(self, models: Sequence[LabelledModel], tasks: Sequence[Task]) -> list[Outcome]:
        """Everything, model by model, pairs at the end."""
        alone = len(models) == 1
        sources: dict[str, tuple[LabelledModel, ModelSource]] = {}
        for model in models:
            with self._guarded(model.label, tasks, alone):
                asked = ModelRequest(spec=model.spec, weights=model.weights, seed=self.request.seed)
                sources[model.label] = model, load_object(model.spec.factory)(asked)
        pairs = self._pairs(sources, [task for task in tasks if task.spec.pairs])
        for label, (model, source) in sources.items():
            todos = self._singles(label, source, [task for task in tasks if not task.spec.pairs])
            todos += [Todo(task, missing) for task, missing in _needed(pairs, label).items()]
            if todos:
                with self._guarded(label, [todo.task for todo in todos], alone):
                    self._measure(model, source, todos)
        for (task, first, second), missing in pairs.items():
            if (task, first) in self.states and (task, second) in self.states:
                with self._guarded(first, [task], alone, second):
                    self._compare(Todo(task, missing), first, second)
        return self.outcomes

    @contextmanager
    def _guarded(self, label: str, tasks: Sequence[Task], alone: bool, other: str = "") -> Iterator[None]:
        """Of several models, one that fails is told of at the end; the only one speaks at once."""
        try:
            yield
        except Exception as error:
            if alone or os.environ.get("TM_DEBUG"):
                raise
            reason = str(error) if isinstance(error, TeachMattersError) else f"{type(error).__name__}: {error}"
            done = {(o.dataset, o.analysis) for o in self.outcomes if (o.model, o.other) == (label, other)}
            self.outcomes += [
                Outcome(
                    model=label, other=other, dataset=t.dataset, analysis=t.spec.name, status="failed", reason=reason
                )
                for t in tasks
                if (t.dataset, t.spec.name) not in done
            ]

    # --- what is missing

    def _missing(self, task: Task, cell: Cell) -> frozenset[str]:
        if self.request.force or self.store is None:
            return task.metrics
        return task.metrics - self.store.recorded(cell)

    def _singles(self, label: str, source: ModelSource, tasks: Sequence[Task]) -> list[Todo]:
        todos = []
        for task in tasks:
            missing = self._missing(task, cell_of(task, label, source.weights))
            if missing:
                todos.append(Todo(task, missing))
            if task.metrics - missing:
                self._reused(task, task.metrics - missing, label)
        return todos

    def _pairs(
        self, sources: dict[str, tuple[LabelledModel, ModelSource]], tasks: Sequence[Task]
    ) -> dict[tuple[Task, str, str], frozenset[str]]:
        """Every pair with what is missing of it, labels in their canonical order."""
        pairs = {}
        for task in tasks:
            for first, second in combinations_with_replacement(sorted(sources), 2):
                weights = [sources[label][1].weights for label in (first, second)]
                missing = self._missing(task, cell_of(task, first, weights[0], second, weights[1]))
                if missing:
                    pairs[task, first, second] = missing
                if task.metrics - missing:
                    self._reused(task, task.metrics - missing, first, second)
        return pairs

    def _reused(self, task: Task, metrics: frozenset[str], model: str, other: str = "") -> None:
        self.outcomes.append(
            Outcome(
                model=model,
                other=other,
                dataset=task.dataset,
                analysis=task.spec.name,
                status="reused",
                setting=task.setting,
                metrics=metrics,
                items=task.size,
            )
        )

    # --- measuring

    def _measure(self, model: LabelledModel, source: ModelSource, todos: Sequence[Todo]) -> None:
        adapter = self.bench.build(source)
        measured = Measured(model, source.weights, adapter.info)
        store = self._open_store()
        while self.said:
            self.bench.listener.say(self.said.pop(0))
        able = [todo for todo in todos if todo.applicable(adapter.info)]
        for todo in todos:
            if todo not in able:
                sitting = Sitting(datetime.now(UTC), self.bench.device, {}, looked=False)
                self._record(store, todo, (measured, None), sitting, Result())
        failure: TeachMattersError | None = None
        for gathered in self.bench.gather(model.label, adapter, able):
            try:
                self._gathered(store, measured, gathered)
            except TeachMattersError as error:  # what the others saw in this pass is not lost
                failure = failure or error
        if failure is not None:
            raise failure

    def _open_store(self) -> Store:
        if self.store is None:
            self.store = Store.open(self.request.db)
        return self.store

    def _gathered(self, store: Store, measured: Measured, gathered: Gathered) -> None:
        state = gathered.analysis.state()
        if gathered.todo.task.spec.pairs:
            self.states[gathered.todo.task, measured.asked.label] = measured, gathered, state
        else:
            result = gathered.analysis.compute(state)
            self._record(store, gathered.todo, (measured, None), gathered.sitting, result)

    def _compare(self, todo: Todo, first: str, second: str) -> None:
        one, gathered, state = self.states[todo.task, first]
        two, _, other_state = self.states[todo.task, second]
        result = gathered.analysis.compare(state, other_state)
        # The pass may have been made for other pairs too, of which more was missing.
        result.records = [each for each in result.records if each.metric in todo.metrics]
        self._record(self._open_store(), todo, (one, two), gathered.sitting, result)

    def _record(
        self,
        store: Store,
        todo: Todo,
        models: tuple[Measured, Measured | None],
        sitting: Sitting,
        result: Result,
    ) -> None:
        not_applicable = sorted(todo.metrics - todo.applicable(models[0].info))
        if not_applicable:
            result.notes["not applicable without a class token"] = not_applicable
        run = record(store, todo.task, todo.metrics, models, sitting, result)
        self.outcomes.append(
            Outcome(
                model=run.cell.model,
                other=run.cell.other_model,
                dataset=run.cell.dataset,
                analysis=run.cell.analysis,
                status="done",
                setting=run.setting,
                metrics=todo.metrics,
                items=run.n_items,
                skipped=run.n_skipped,
                seconds=(run.finished_at - run.started_at).total_seconds(),
                notes=dict(run.notes),
            )
        )


def _needed(pairs: dict[tuple[Task, str, str], frozenset[str]], label: str) -> dict[Task, frozenset[str]]:
    """The pair tasks that a model has to be passed over for."""
    needed: dict[Task, frozenset[str]] = {}
    for (task, *labels), missing in pairs.items():
        if label in labels:
            needed[task] = needed.get(task, frozenset()) | missing
    return needed
