"""``tm study``: measures what the store lacks of a study and reuses what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from teachmatters.api.progress import Progress
from teachmatters.cache.location import cache_folder
from teachmatters.runner.engines.select import check_engine, driver_device, engine_of
from teachmatters.runner.forward.device import find_device, find_dtype
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.tasks import Opener, Task, remarks_of
from teachmatters.runner.requests import EngineRequest, Outcome
from teachmatters.runner.session.analyze import in_order
from teachmatters.runner.session.session import AnalysisSession
from teachmatters.runner.study.model import Study, StudyTask
from teachmatters.store.backend import backend_of
from teachmatters.store.location import StoreLocation


@dataclass(frozen=True, slots=True)
class UnavailableData:
    """A study task whose data set cannot be opened, with the error."""

    study_task: StudyTask
    error: Exception


def run_study(
    study: Study,
    db: StoreLocation,
    progress: Progress,
    on_outcome: Callable[[Outcome], None],
    engine: EngineRequest | None = None,
) -> list[Outcome]:
    """Measure what the store lacks and commit each run as soon as it is complete.

    Tasks with the same seed, dtype, data set and transform share a pass.

    Args:
        study: what to measure.
        db: the store to write.
        progress: shows progress and remarks.
        on_outcome: called with each outcome as soon as it is known.
        engine: runs the forward passes; by default this process.

    Returns:
        the outcome of each cell, data sets that cannot be opened first. A failure does not stop the rest.

    Raises:
        TeachMattersError: the store is not writable, or the device or engine is absent; nothing was measured.
    """
    backend_of(db).check_writable()  # fail now rather than after hours of work
    engine = engine or EngineRequest()
    check_engine(engine)
    here = replace(study, device=driver_device(engine, study.device))
    find_device(here.device)
    tasks, absent = open_study_tasks(study)
    remarks = [*study.remarks, *remarks_of(tasks)]
    outcomes = [outcome for unavailable in absent for outcome in _failed(unavailable, study.labels)]
    for outcome in outcomes:
        on_outcome(outcome)
    with engine_of(engine, study.device, cache_folder(db)) as start_engine:
        for settings, group in settings_groups(here, db, tasks):
            with AnalysisSession(
                db, settings, start_engine, progress, remarks=remarks, on_outcome=on_outcome
            ) as session:
                session.run(study.models, group)
            remarks = session.remarks  # not shown yet, because nothing was measured
            outcomes += in_order(session.outcomes, study.labels, group)
    return outcomes


def open_study_tasks(study: Study) -> tuple[list[Task], list[UnavailableData]]:
    """Open the data sets; return the tasks that can be measured, and those whose data set cannot be opened."""
    opener = Opener()
    tasks: list[Task] = []
    absent: list[UnavailableData] = []
    for study_task in study.study_tasks:
        try:
            task = opener.task(study_task.request, study_task.data, study_task.run_settings)
            tasks.append(replace(task, selections=study_task.selections))
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported at the end
            absent.append(UnavailableData(study_task, error))
    return tasks, absent


def settings_groups(
    study: Study, db: StoreLocation, tasks: Iterable[Task]
) -> Iterator[tuple[PassSettings, list[Task]]]:
    """Group the tasks by the seed and the dtype that a model is built with."""
    device = find_device(study.device)
    groups: dict[tuple[int, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.template.seed, task.template.dtype), []).append(task)
    for (seed, dtype), group in groups.items():
        settings = PassSettings(
            device=device,
            dtype=find_dtype(dtype),
            batch_size=study.batch_size,
            seed=seed,
            cache=cache_folder(db),
        )
        yield settings, group


def _failed(absent: UnavailableData, labels: Iterable[str]) -> Iterator[Outcome]:
    study_task = absent.study_task
    for model, other in study_task.cells(labels):
        yield Outcome(
            model=model,
            other=other,
            dataset=study_task.data.name,
            analysis=study_task.request.analysis.name,
            setting=study_task.setting,
            status="failed",
            error=absent.error,
        )
