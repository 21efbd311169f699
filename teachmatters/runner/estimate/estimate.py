"""``tm study --plan``: what a study would still cost, found out without measuring anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teachmatters.api import ModelRequest, ModelSource
from teachmatters.cache.sizes import remark_on_space
from teachmatters.errors import TeachMattersError
from teachmatters.models.fetch.presence import weights_here
from teachmatters.models.sources import open_untrained
from teachmatters.registry import call
from teachmatters.runner.estimate.passes import PassEstimator
from teachmatters.runner.estimate.result import Estimate
from teachmatters.runner.forward.device import find_device
from teachmatters.runner.plan.missing import MissingMetrics, Pairs, needed
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.requests import Progress
from teachmatters.runner.study.model import Study
from teachmatters.runner.study.run import open_study_tasks, settings_groups
from teachmatters.store import Cell, Store
from teachmatters.store.backend import backend_of
from teachmatters.store.location import StoreLocation

Sources = dict[str, tuple[LabelledModel, ModelSource]]


def estimate_study(study: Study, db: StoreLocation, progress: Progress) -> Estimate:
    """What the store lacks of a study, and what finding it would take here.

    Nothing is measured, fetched or written. Each model that something is missing of is built, and a few batches of
    each kind of pass are tried for the time they take.

    Raises:
        TeachMattersError: the store cannot be read, or the device is not there.
    """
    cells = sum(len(list(study_task.cells(study.labels))) for study_task in study.study_tasks)
    found = Estimate(device=str(find_device(study.device)), cells=cells)
    store = Store.reading(db) if backend_of(db).exists() else None
    missing_metrics = MissingMetrics(store.recorded if store is not None else _nothing, force=False)
    tasks, absent = open_study_tasks(study)
    for model in study.models:
        if not _here(model):
            hidden = sum((model.label, "") in study_task.cells(study.labels) for study_task in study.study_tasks)
            found.add_obstacle("weights", model.label, hidden, "not here; 'tm fetch' gets them")
    for one in absent:
        hidden = len(list(one.study_task.cells(study.labels)))
        found.missing += hidden
        found.add_obstacle("data", one.study_task.data.name, hidden, one.error)
    for settings, mine in settings_groups(study, db, tasks):
        estimator = PassEstimator(db, settings, found, progress)
        _look(study, mine, missing_metrics, estimator)
        found.remark = _space(settings.cache, found)
    if store is not None:
        store.close()
    return found


def _nothing(_: Cell) -> frozenset[str]:
    return frozenset()


def _look(study: Study, tasks: Sequence[Task], missing_metrics: MissingMetrics, estimator: PassEstimator) -> None:
    """What one command would do (see AnalysisSession.run), without doing it."""
    found = estimator.estimate
    sources = _sources(study, tasks, estimator)
    weights = {label: source.weights for label, (_, source) in sources.items()}
    pairs = missing_metrics.pairs(study.labels, weights, tasks)
    able: Pairs = {key: missing for key, missing in pairs.items() if {*key[1:]} <= sources.keys()}
    found.missing += sum(bool(missing) for missing in pairs.values())
    found.comparisons += sum(bool(missing) for missing in able.values())
    for label, (model, source) in sources.items():
        singles = missing_metrics.singles(label, source.weights, tasks)
        pending_tasks = [PendingTask(task, missing) for task, missing in singles.items() if missing]
        found.missing += len(pending_tasks)
        halves = [PendingTask(task, missing) for task, missing in needed(able, label).items()]
        pending_tasks += [pending for pending in halves if not estimator.has_pair_state(pending, model, source)]
        if pending_tasks:
            estimator.add_model(model, source, pending_tasks)


def _sources(study: Study, tasks: Sequence[Task], estimator: PassEstimator) -> Sources:
    """The models whose weights are here, and in place of those that are not, where possible, an untrained network."""
    sources: Sources = {}
    for model in study.models:
        wanting = [task for task in tasks if not task.spec.pairs and task.wanted(model.label)]
        try:
            sources[model.label] = model, _source(model, estimator.settings.seed)
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told
            estimator.estimate.missing += len(wanting)
            estimator.estimate.add_obstacle("model", model.label, len(wanting), error)
    return sources


def _here(model: LabelledModel) -> bool:
    """Whether the weights can be read without a network."""
    return model.weights is not None or weights_here(model.spec) != "no"


def _source(model: LabelledModel, seed: int) -> ModelSource:
    if _here(model):
        asked = ModelRequest(spec=model.spec, weights=model.weights, seed=seed)
        source: ModelSource = call(model.spec.factory, asked)
        return source
    untrained = open_untrained(model.spec.name)
    if untrained is None:
        raise TeachMattersError("not counted, since nothing is known of it without its weights")
    return untrained


def _space(cache: Path, found: Estimate) -> str | None:
    try:
        return remark_on_space(cache, found.feature_bytes, "features")
    except TeachMattersError as error:
        return str(error)
