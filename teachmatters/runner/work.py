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
from teachmatters.runner.check import UNIT
from teachmatters.runner.device import out_of_memory
from teachmatters.runner.halves import Half, Halves
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.lacking import Lacking, Pairs, needed
from teachmatters.runner.measure import Bench, Gathered, Todo
from teachmatters.runner.plan import Task
from teachmatters.runner.record import Measured, Sitting, describe
from teachmatters.runner.request import Outcome
from teachmatters.store import Cell, Store
from teachmatters.store.location import Place


class Work:
    """One command under way.

    Args:
        db: the store to write.
        bench: where and how forward passes are made.
        said: sentences for the moment when it is clear that something is measured.
        tell: is told how each task of each model ended, at once.

    Attributes:
        ended: how everything ended so far, with its task.
    """

    def __init__(
        self, db: Place, bench: Bench, said: Sequence[str] = (), tell: Callable[[Outcome], None] | None = None
    ) -> None:
        limit_of(cache_folder(db))  # what cannot be read of it is said before hours of work, not after
        self.db, self.bench, self.said, self.tell = db, bench, list(said), tell
        # A store that does not exist yet is made only when there is something to put into it.
        self.store = Store.open(db) if db.exists() else None
        self.lacking = Lacking(self._recorded, anew=bench.anew)
        self.ended: list[tuple[Task, Outcome]] = []
        self.measured: dict[str, Measured] = {}
        self.kept = Halves(db, bench)
        self.halves: dict[tuple[Task, str], Half] = {}
        self.broken: dict[tuple[Task, str], Exception] = {}
        self.users: Counter[tuple[Task, str]] = Counter()  # the pairs that a half is for

    def __enter__(self) -> Work:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.store is not None:
            self.store.close()
        release()
        if kind is None and self.measured:
            make_room(self.kept.folder, self.bench.listener.say)

    def run(self, models: Sequence[LabelledModel], tasks: Sequence[Task]) -> None:
        """Everything, model by model, pairs at the end."""
        sources: dict[str, tuple[LabelledModel, ModelSource]] = {}
        for model in models:
            with self._guarded(model.label, tasks):
                asked = ModelRequest(spec=model.spec, weights=model.weights, seed=self.bench.seed)
                sources[model.label] = model, call(model.spec.factory, asked)
                self._say_what_stays(model, sources[model.label][1].weights)
        weights = {label: source.weights for label, (_, source) in sources.items()}
        pairs = self.lacking.pairs([model.label for model in models], weights, tasks)
        self._reuse_pairs(pairs)
        for (task, first, second), missing in pairs.items():
            self.users.update((task, label) for label in {first, second} if missing)
        for label, (model, source) in sources.items():
            todos = self._singles(label, source, tasks)
            halves = [Todo(task, missing) for task, missing in needed(pairs, label).items()]
            todos += [todo for todo in halves if not self._at_hand(todo, model, source)]
            if todos:
                with self._guarded(label, [todo.task for todo in todos]):
                    self._measure(model, source, todos)
        for (task, first, second), missing in pairs.items():
            if missing:
                with self._guarded(first, [task], second):
                    self._compare(Todo(task, missing), first, second)

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
        if self.store is None or model.supervision is None or self.bench.anew:
            return
        if others := self.store.supervisions(model.label, weights) - {model.supervision}:
            kept = listing(repr(word) if word else "none known" for word in sorted(others))
            self.bench.listener.say(
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

    def _singles(self, label: str, source: ModelSource, tasks: Sequence[Task]) -> list[Todo]:
        missing = self.lacking.singles(label, source.weights, tasks)
        for task, metrics in missing.items():
            self._reused(task, task.wanted(label) - metrics, label)
        return [Todo(task, metrics) for task, metrics in missing.items() if metrics]

    def _at_hand(self, todo: Todo, model: LabelledModel, source: ModelSource) -> bool:
        """Whether an earlier command has passed over the model for this comparison."""
        found = None if self.bench.anew or todo.task.anew else self.kept.find(todo, model, source.weights)
        if found is not None:
            info, self.halves[todo.task, model.label] = found
            self.measured.setdefault(model.label, Measured(model, source.weights, info, source.remarks))
        return found is not None

    # --- measuring

    def _measure(self, model: LabelledModel, source: ModelSource, todos: Sequence[Todo]) -> None:
        begun = time.perf_counter()
        network = self.bench.open(model, source)
        measured = self.measured[model.label] = Measured(model, source.weights, network.info, source.remarks)
        for remark in source.remarks:
            self.bench.listener.say(f"{model.label}: {remark}")
        while self.said:
            self.bench.listener.say(self.said.pop(0))
        able = [todo for todo in todos if todo.applicable(network.info)]
        for todo in todos:
            if todo not in able and not todo.task.spec.pairs:
                self._record(todo, (measured, None), self._nothing(), Result())
        opened = (time.perf_counter() - begun) / max(len(able), 1)
        # Closed here, not when nobody refers to it any longer: an error that is kept for the end may do so.
        with closing(self.bench.gather(measured, network, able)) as everything:
            for gathered in everything:
                # What the others saw in this pass is not lost when one of them fails.
                with self._guarded(model.label, [gathered.todo.task]):
                    self._gathered(measured, replace(gathered, sitting=gathered.sitting.longer(opened)))

    def _nothing(self) -> Sitting:
        return Sitting(datetime.now(UTC), self.bench.device, looked=False)

    def _gathered(self, measured: Measured, gathered: Gathered) -> None:
        if gathered.error is not None:
            raise gathered.error
        todo, sitting, begun = gathered.todo, gathered.sitting, time.perf_counter()
        sitting.skipped_of(todo.task)  # refuses to compute from nothing
        if todo.task.spec.pairs:
            half = self.kept.keep(gathered, measured.asked, measured.weights)
            sitting = sitting.longer(time.perf_counter() - begun)
            self.halves[todo.task, measured.asked.label] = replace(half, sitting=sitting)
        else:
            result = gathered.analysis.compute(gathered.state())
            self._record(todo, (measured, None), sitting.longer(time.perf_counter() - begun), result)

    def _compare(self, todo: Todo, first: str, second: str) -> None:
        for label in (first, second):
            if (error := self.broken.get((todo.task, label))) is not None:
                raise error
        one, two = self.measured[first], self.measured[second]
        if not todo.applicable(one.info, two.info):
            self._record(todo, (one, two), self._nothing(), Result())
            return
        begun = time.perf_counter()
        half, other = self.halves[todo.task, first], self.halves[todo.task, second]
        analysis = todo.task.new_analysis()
        # The passes may have been made for other pairs too, of which more was missing, not necessarily the same.
        analysis.start(replace(half.context, metrics=todo.applicable(one.info, two.info)))
        result = analysis.compare(half.state(), other.state())
        result.records = [each for each in result.records if each.metric in todo.metrics]
        result.maps = [each for each in result.maps if each.name.removeprefix(UNIT) in todo.metrics]
        passes = sum(
            self.halves[todo.task, label].sitting.seconds / self.users[todo.task, label] for label in {first, second}
        )
        sitting = replace(half.sitting, seconds=passes + time.perf_counter() - begun)
        self._record(todo, (one, two), sitting, result)

    def _record(self, todo: Todo, models: tuple[Measured, Measured | None], sitting: Sitting, result: Result) -> None:
        applicable = todo.applicable(*(model.info for model in models if model))
        if todo.metrics - applicable:
            result.notes["not applicable without a class token"] = sorted(todo.metrics - applicable)
        run = describe(todo.task, todo.metrics, models, sitting, result)
        if self.store is None:
            self.store = Store.open(self.db)
        self.store.record(run, result)
        outcome = Outcome(
            model=run.cell.model,
            other=run.cell.other_model,
            status="done",
            metrics=todo.metrics,
            items=run.n_items,
            skipped=run.n_skipped,
            seconds=run.seconds,
            notes=dict(run.notes),
        )
        self._tell(todo.task, outcome)
