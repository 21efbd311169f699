"""``tm study --plan``: the remaining cost of a study, estimated without measuring anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teachmatters.api import ModelRequest, ModelSource
from teachmatters.api.progress import Progress
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
from teachmatters.runner.study.model import Study
from teachmatters.runner.study.run import open_study_tasks, settings_groups
from teachmatters.store import Cell, Store
from teachmatters.store.backend import backend_of
from teachmatters.store.location import StoreLocation

Sources = dict[str, tuple[LabelledModel, ModelSource]]


def estimate_study(study: Study, db: StoreLocation, progress: Progress) -> Estimate:
    """Estimate the passes that a study is missing, and their time on this machine.

    Nothing is measured, fetched or written. Each model with missing cells is built, and a few batches of each kind of
    pass are timed.

    Raises:
        TeachMattersError: the store cannot be read, or the device is not there.
    """
    cells = sum(len(list(study_task.cells(study.labels))) for study_task in study.study_tasks)
    estimate = Estimate(device=str(find_device(study.device)), cells=cells)
    store = Store.reading(db) if backend_of(db).exists() else None
    missing_metrics = MissingMetrics(store.recorded if store is not None else _nothing, force=False)
    tasks, absent = open_study_tasks(study)
    for model in study.models:
        if not _here(model):
            hidden = sum((model.label, "") in study_task.cells(study.labels) for study_task in study.study_tasks)
            estimate.add_obstacle("weights", model.label, hidden, "not here; 'tm fetch' gets them")
    for unavailable in absent:
        hidden = len(list(unavailable.study_task.cells(study.labels)))
        estimate.missing += hidden
        estimate.add_obstacle("data", unavailable.study_task.data.name, hidden, unavailable.error)
    for settings, group in settings_groups(study, db, tasks):
        estimator = PassEstimator(db, settings, estimate, progress)
        _estimate_group(study, group, missing_metrics, estimator)
        estimate.remark = _remark_on_space(settings.cache, estimate)
    if store is not None:
        store.close()
    return estimate


def _nothing(_: Cell) -> frozenset[str]:
    return frozenset()


def _estimate_group(
    study: Study, tasks: Sequence[Task], missing_metrics: MissingMetrics, estimator: PassEstimator
) -> None:
    """Add what AnalysisSession.run would do for these tasks."""
    estimate = estimator.estimate
    sources = _sources(study, tasks, estimator)
    weights = {label: source.weights for label, (_, source) in sources.items()}
    pairs = missing_metrics.pairs(study.labels, weights, tasks)
    able: Pairs = {key: missing for key, missing in pairs.items() if {*key[1:]} <= sources.keys()}
    estimate.missing += sum(bool(missing) for missing in pairs.values())
    estimate.comparisons += sum(bool(missing) for missing in able.values())
    for label, (model, source) in sources.items():
        singles = missing_metrics.singles(label, source.weights, tasks)
        pending_tasks = [PendingTask(task, missing) for task, missing in singles.items() if missing]
        estimate.missing += len(pending_tasks)
        comparisons = [PendingTask(task, missing) for task, missing in needed(able, label).items()]
        pending_tasks += [pending for pending in comparisons if not estimator.has_pair_state(pending, model, source)]
        if pending_tasks:
            estimator.add_model(model, source, pending_tasks)


def _sources(study: Study, tasks: Sequence[Task], estimator: PassEstimator) -> Sources:
    """Return the models; where weights are absent, an untrained network of the same shape stands in if possible."""
    sources: Sources = {}
    for model in study.models:
        wanting = [task for task in tasks if not task.spec.pairs and task.wanted(model.label)]
        try:
            sources[model.label] = model, _source(model, estimator.settings.seed)
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported
            estimator.estimate.missing += len(wanting)
            estimator.estimate.add_obstacle("model", model.label, len(wanting), error)
    return sources


def _here(model: LabelledModel) -> bool:
    """Return whether the weights can be read without a download."""
    return model.weights is not None or weights_here(model.spec) != "no"


def _source(model: LabelledModel, seed: int) -> ModelSource:
    if _here(model):
        request = ModelRequest(spec=model.spec, weights=model.weights, seed=seed)
        source: ModelSource = call(model.spec.factory, request)
        return source
    untrained = open_untrained(model.spec.name)
    if untrained is None:
        raise TeachMattersError("not counted, because its shape is unknown without its weights")
    return untrained


def _remark_on_space(cache: Path, estimate: Estimate) -> str | None:
    try:
        return remark_on_space(cache, estimate.feature_bytes, "features")
    except TeachMattersError as error:
        return str(error)
