"""``tm analyze``: measures what the store lacks and reuses what it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teachmatters.api.progress import NoProgress, Progress
from teachmatters.cache.location import cache_folder
from teachmatters.errors import TeachMattersError
from teachmatters.registry import load
from teachmatters.runner.engines.select import check_engine, driver_device, engine_of
from teachmatters.runner.forward.device import find_device, find_dtype
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import labelled_models, uncommon_supervisions
from teachmatters.runner.plan.tasks import Task, plan
from teachmatters.runner.requests import AnalyzeRequest, Outcome
from teachmatters.runner.session.session import AnalysisSession
from teachmatters.store.backend import backend_of


def analyze(
    request: AnalyzeRequest, progress: Progress | None = None, on_outcome: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Measure what the store lacks and commit each run as soon as it is complete.

    Args:
        request: models, metrics and data, with the settings of the passes.
        progress: receives the progress.
        on_outcome: called with each outcome as soon as it is known.

    Returns:
        the outcome of each (model or pair, data set, analysis), in the order of the request. A failure does not stop
        the rest.

    Raises:
        TeachMattersError: the request is invalid; nothing was measured.
    """
    progress = progress or NoProgress()
    _check_numbers(request)
    check_engine(request.engine)
    dtype = find_dtype(request.dtype)
    backend_of(request.db).check_writable()  # fail now rather than after hours of work
    registry = load()
    models = labelled_models(registry, request.models, request.weights, request.supervision, request.label_seed)
    for remark in uncommon_supervisions(models):
        progress.say(remark)
    device = find_device(driver_device(request.engine, request.device))
    tasks, remarks = plan(registry, request)
    cache = cache_folder(request.db)
    with engine_of(request.engine, request.device, cache) as start_engine:
        settings = PassSettings(
            device=device,
            dtype=dtype,
            batch_size=request.batch_size,
            seed=request.seed,
            cache=cache,
            force=request.force,
        )
        with AnalysisSession(
            request.db, settings, start_engine, progress, remarks=remarks, on_outcome=on_outcome
        ) as session:
            session.run(models, tasks)
    return in_order(session.outcomes, [model.label for model in models], tasks)


def _check_numbers(request: AnalyzeRequest) -> None:
    for option, value, least in (
        ("--limit", request.limit, 1),
        ("--batch-size", request.batch_size, 1),
        ("--seed", request.seed, 0),
        ("--label-seed", request.label_seed, 0),
    ):
        if value is not None and value < least:
            raise TeachMattersError(f"{option} {value}: it must be at least {least}")
    if not request.models or not request.metrics:
        raise TeachMattersError("nothing to do: name at least one --model and one --metric ('tm models', 'tm metrics')")


def in_order(ended: Sequence[tuple[Task, Outcome]], labels: Sequence[str], tasks: Sequence[Task]) -> list[Outcome]:
    """Return the outcomes by model, task and other model, in the order of the request."""
    label_order = {label: number for number, label in enumerate(labels)}
    task_order = {task: number for number, task in enumerate(tasks)}

    def position(task_and_outcome: tuple[Task, Outcome]) -> tuple[int, int, int]:
        task, outcome = task_and_outcome
        return label_order[outcome.model], task_order[task], label_order.get(outcome.other, 0)

    return [outcome for _, outcome in sorted(ended, key=position)]
