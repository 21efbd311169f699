"""``tm analyze``: what is missing from the store is measured, what is there is reused."""

from __future__ import annotations

from collections.abc import Sequence

from teachmatters.cache.location import cache_folder
from teachmatters.errors import TeachMattersError
from teachmatters.registry import load
from teachmatters.runner.engines.select import check_engine, driver_device, engine_of
from teachmatters.runner.forward.device import find_device, find_dtype
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import labelled_models, uncommon_supervisions
from teachmatters.runner.plan.tasks import Task, plan
from teachmatters.runner.requests import AnalyzeRequest, NoProgress, Outcome, Progress
from teachmatters.runner.session.session import AnalysisSession
from teachmatters.store.backend import backend_of


def analyze(request: AnalyzeRequest, progress: Progress | None = None) -> list[Outcome]:
    """Measure what is missing and commit each run as it is done.

    Args:
        request: what to measure of which models on which data.
        progress: is told what goes on.

    Returns:
        how each (model or pair, data set, analysis) ended, in the order of the request. One that fails does not stop
        the rest.

    Raises:
        TeachMattersError: the request cannot be carried out; nothing was measured.
    """
    progress = progress or NoProgress()
    _check_numbers(request)
    check_engine(request.engine)
    dtype = find_dtype(request.dtype)
    backend_of(request.db).check_writable()  # before hours of work, not after
    registry = load()
    models = labelled_models(registry, request.models, request.weights, request.supervision)
    for remark in uncommon_supervisions(models):
        progress.say(remark)
    device = find_device(driver_device(request.engine, request.device))
    tasks, said = plan(registry, request)
    cache = cache_folder(request.db)
    with engine_of(request.engine, request.device, cache) as engine:
        settings = PassSettings(
            device=device,
            dtype=dtype,
            batch_size=request.batch_size,
            seed=request.seed,
            cache=cache,
            force=request.force,
        )
        with AnalysisSession(request.db, settings, engine, progress, remarks=said) as session:
            session.run(models, tasks)
    return in_order(session.outcomes, [model.label for model in models], tasks)


def _check_numbers(request: AnalyzeRequest) -> None:
    for option, value, least in (
        ("--limit", request.limit, 1),
        ("--batch-size", request.batch_size, 1),
        ("--seed", request.seed, 0),
    ):
        if value is not None and value < least:
            raise TeachMattersError(f"{option} {value}: it must be at least {least}")
    if not request.models or not request.metrics:
        raise TeachMattersError("nothing to do: name at least one --model and one --metric ('tm models', 'tm metrics')")


def in_order(ended: Sequence[tuple[Task, Outcome]], labels: Sequence[str], tasks: Sequence[Task]) -> list[Outcome]:
    """Outcomes by model, task and other model, as they were asked for."""
    places = {label: number for number, label in enumerate(labels)}
    steps = {task: number for number, task in enumerate(tasks)}

    def place(one: tuple[Task, Outcome]) -> tuple[int, int, int]:
        task, outcome = one
        return places[outcome.model], steps[task], places.get(outcome.other, 0)

    return [outcome for _, outcome in sorted(ended, key=place)]
