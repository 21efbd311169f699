"""``tm study``: what is missing of a study is measured, what is there is reused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from teachmatters.cache.location import cache_folder
from teachmatters.runner.analyze import in_order
from teachmatters.runner.device import find_device, find_dtype
from teachmatters.runner.engines import check_engine, driver_device, engine_of
from teachmatters.runner.measure import Bench
from teachmatters.runner.plan import Opener, Task, remarks_of
from teachmatters.runner.request import EngineRequest, Listener, Outcome
from teachmatters.runner.study import Study, Wish
from teachmatters.runner.work import Work
from teachmatters.store.location import Place
from teachmatters.store.migrate import check_writable


@dataclass(frozen=True, slots=True)
class Absent:
    """What is wanted on a data set that cannot be opened, and why it cannot."""

    wish: Wish
    error: Exception


def run_study(
    study: Study,
    db: Place,
    listener: Listener,
    tell: Callable[[Outcome], None],
    engine: EngineRequest | None = None,
) -> list[Outcome]:
    """Measure what is missing and commit each run as it is done.

    A pass is shared by all that differs neither in seed and dtype nor in data set and preparation.

    Args:
        study: what to measure.
        db: the store to write.
        listener: is told what goes on.
        tell: is told at once how each cell ended.
        engine: who makes the forward passes; by default this process.

    Returns:
        how each cell ended, data sets that cannot be opened first. One that fails does not stop the rest.

    Raises:
        TeachMattersError: nothing could be stored, or device or engine are not there; nothing was measured.
    """
    check_writable(db)  # before hours of work, not after
    engine = engine or EngineRequest()
    check_engine(engine)
    here = replace(study, device=driver_device(engine, study.device))
    find_device(here.device)
    tasks, absent = open_wishes(study)
    said = [*study.said, *remarks_of(tasks)]
    outcomes = [outcome for one in absent for outcome in _failed(one, study.labels)]
    for outcome in outcomes:
        tell(outcome)
    with engine_of(engine, study.device, cache_folder(db)) as carrying:
        for bench, mine in benches(here, db, tasks, listener):
            with Work(db, replace(bench, engine=carrying), said, tell) as work:
                work.run(study.models, mine)
            said = work.said  # what was not yet worth a word
            outcomes += in_order(work.ended, study.labels, mine)
    return outcomes


def open_wishes(study: Study) -> tuple[list[Task], list[Absent]]:
    """Open the data sets: what can be measured on them, and what cannot."""
    opener = Opener()
    tasks: list[Task] = []
    absent: list[Absent] = []
    for wish in study.wishes:
        try:
            task = opener.task(wish.request, wish.data, wish.terms)
            tasks.append(replace(task, asks=wish.asks))
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told at the end
            absent.append(Absent(wish, error))
    return tasks, absent


def benches(study: Study, db: Place, tasks: Iterable[Task], listener: Listener) -> Iterator[tuple[Bench, list[Task]]]:
    """The tasks by what a model is built for: its seed and its dtype."""
    device = find_device(study.device)
    groups: dict[tuple[int, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.template.seed, task.template.dtype), []).append(task)
    for (seed, dtype), mine in groups.items():
        bench = Bench(
            device=device,
            dtype=find_dtype(dtype),
            batch_size=study.batch_size,
            seed=seed,
            listener=listener,
            cache=cache_folder(db),
        )
        yield bench, mine


def _failed(absent: Absent, labels: Iterable[str]) -> Iterator[Outcome]:
    wish = absent.wish
    for model, other in wish.cells(labels):
        yield Outcome(
            model=model,
            other=other,
            dataset=wish.data.name,
            analysis=wish.request.analysis.name,
            setting=wish.setting,
            status="failed",
            error=absent.error,
        )
