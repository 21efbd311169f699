"""``tm study --plan``: what a study would still cost, found out without measuring anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teachmatters.api import ModelRequest, ModelSource
from teachmatters.cache.sizes import remark_on_space
from teachmatters.errors import TeachMattersError
from teachmatters.models.presence import weights_here
from teachmatters.models.sources import open_untrained
from teachmatters.registry import call
from teachmatters.runner.device import find_device
from teachmatters.runner.forecast_passes import Prospect
from teachmatters.runner.forecast_rows import Forecast
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.lacking import Lacking, Pairs, needed
from teachmatters.runner.measure import Todo
from teachmatters.runner.plan import Task
from teachmatters.runner.request import Listener
from teachmatters.runner.study import Study
from teachmatters.runner.study_run import benches, open_wishes
from teachmatters.store import Cell, Store
from teachmatters.store.location import Place

Sources = dict[str, tuple[LabelledModel, ModelSource]]


def forecast(study: Study, db: Place, listener: Listener) -> Forecast:
    """What the store lacks of a study, and what finding it would take here.

    Nothing is measured, fetched or written. Each model that something is missing of is built, and a few batches of
    each kind of pass are tried for the time they take.

    Raises:
        TeachMattersError: the store cannot be read, or the device is not there.
    """
    cells = sum(len(list(wish.cells(study.labels))) for wish in study.wishes)
    found = Forecast(device=str(find_device(study.device)), cells=cells)
    store = Store.reading(db) if db.exists() else None
    lacking = Lacking(store.recorded if store is not None else _nothing, anew=False)
    tasks, absent = open_wishes(study)
    for model in study.models:
        if not _here(model):
            hidden = sum((model.label, "") in wish.cells(study.labels) for wish in study.wishes)
            found.trouble("weights", model.label, hidden, "not here; 'tm fetch' gets them")
    for one in absent:
        hidden = len(list(one.wish.cells(study.labels)))
        found.missing += hidden
        found.trouble("data", one.wish.data.name, hidden, one.error)
    for bench, mine in benches(study, db, tasks, listener):
        prospect = Prospect(db, bench, found)
        _look(study, mine, lacking, prospect)
        found.remark = _space(bench.cache, found)
    if store is not None:
        store.close()
    return found


def _nothing(_: Cell) -> frozenset[str]:
    return frozenset()


def _look(study: Study, tasks: Sequence[Task], lacking: Lacking, prospect: Prospect) -> None:
    """What one command would do (see Work.run), without doing it."""
    found = prospect.found
    sources = _sources(study, tasks, prospect)
    weights = {label: source.weights for label, (_, source) in sources.items()}
    pairs = lacking.pairs(study.labels, weights, tasks)
    able: Pairs = {key: missing for key, missing in pairs.items() if {*key[1:]} <= sources.keys()}
    found.missing += sum(bool(missing) for missing in pairs.values())
    found.comparisons += sum(bool(missing) for missing in able.values())
    for label, (model, source) in sources.items():
        singles = lacking.singles(label, source.weights, tasks)
        todos = [Todo(task, missing) for task, missing in singles.items() if missing]
        found.missing += len(todos)
        halves = [Todo(task, missing) for task, missing in needed(able, label).items()]
        todos += [todo for todo in halves if not prospect.at_hand(todo, model, source)]
        if todos:
            prospect.pass_over(model, source, todos)


def _sources(study: Study, tasks: Sequence[Task], prospect: Prospect) -> Sources:
    """The models whose weights are here, and in place of those that are not, where possible, an untrained network."""
    sources: Sources = {}
    for model in study.models:
        wanting = [task for task in tasks if not task.spec.pairs and task.wanted(model.label)]
        try:
            sources[model.label] = model, _source(model, prospect.bench.seed)
        except Exception as error:  # noqa: BLE001  a stranger's code; it is told
            prospect.found.missing += len(wanting)
            prospect.found.trouble("model", model.label, len(wanting), error)
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


def _space(cache: Path, found: Forecast) -> str | None:
    try:
        return remark_on_space(cache, found.feature_bytes, "features")
    except TeachMattersError as error:
        return str(error)
