"""Plans the tasks of a request: one for each analysis and data set, independent of the models."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from teachmatters.api import Analysis, AnalysisSpec, DatasetSpec, InputSpec, Item, Kind, Role, Value
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import AnalysisRequest, Registry, call
from teachmatters.runner.plan.datasets import OpenDataset, fingerprint, items_of, open_dataset, refuse_kind
from teachmatters.runner.plan.matching import paired, parties
from teachmatters.runner.plan.parameters import each_given, given_parameters, pair_parameters
from teachmatters.runner.plan.settings import RunSettings, cell_parameters, pool_of
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.store import Cell


@dataclass(frozen=True, slots=True)
class MetricSelection:
    """Metrics that are requested of all models, or only of those with certain labels."""

    metrics: frozenset[str]
    labels: frozenset[str] | None = None


def selected_metrics(selections: Iterable[MetricSelection], *labels: str) -> frozenset[str]:
    """Return the metrics that are requested of a model, or of both models of a pair."""
    selected = (s.metrics for s in selections if s.labels is None or s.labels.issuperset(labels))
    return frozenset[str]().union(*selected)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Task:
    """One analysis on one data set, for any model.

    Attributes:
        spec, metrics: the analysis, and the metrics requested of it.
        opened: the data set.
        kinds: kinds of data that the metrics need and the data set offers; the items are those of the first.
        parameters: the parameters of the analysis, with defaults filled in.
        inputs: the input spec of each metric alone, which shows whether a model can have it.
        items: by role, with the limit applied.
        template: the cell, without the model.
        setting: text of all parameters that are not at their default.
        pool: equal for tasks with the same images, which may share a pass.
        force: measure again, because a parameter that is not part of the cell was given.
        selections: the metrics requested of certain models; empty: all metrics of all models.
        remarks: sentences of the data set about the items.
    """

    spec: AnalysisSpec
    metrics: frozenset[str]
    opened: OpenDataset
    kinds: tuple[Kind, ...]
    parameters: Mapping[str, Value]
    inputs: Mapping[str, InputSpec]
    items: Mapping[Role, Sequence[Item]]
    template: Cell
    setting: str
    pool: Hashable
    force: bool = False
    selections: tuple[MetricSelection, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def dataset(self) -> str:
        """Return the data set's name."""
        return self.opened.spec.name

    @property
    def keys(self) -> set[str]:
        """Return the images of all roles, each once."""
        return {item.key for items in self.items.values() for item in items}

    def wanted(self, *labels: str) -> frozenset[str]:
        """Return the metrics that are requested of a model, or of a pair."""
        return self.metrics & selected_metrics(self.selections, *labels) if self.selections else self.metrics

    def cell(self, model: str, weights: str, other_model: str = "", other_weights: str = "") -> Cell:
        """Return the cell of this task for one model, or for a pair."""
        return replace(
            self.template, model=model, weights=weights, other_model=other_model, other_weights=other_weights
        )


def new_analysis(spec: AnalysisSpec) -> Analysis:
    """Return a new analysis from the factory of a spec.

    Raises:
        TeachMattersError: a plugin's factory fails, or returns something else.
    """
    analysis = call(spec.factory)
    if not isinstance(analysis, Analysis):
        raise TeachMattersError(f"{spec.factory!r} made a {type(analysis).__name__}, not an Analysis; see 'tm plugins'")
    return analysis


def plan(registry: Registry, request: AnalyzeRequest) -> tuple[list[Task], list[str]]:
    """Return the tasks of a command, and sentences about the choices made for the user.

    Raises:
        TeachMattersError: a name or parameter is unknown, or a data set is absent or does not fit.
    """
    fitting, remarks = paired(registry, request.metrics, request.data)
    if request.data_root is not None and fitting and all(data.bundled for _, data in fitting):
        names = listing(dict.fromkeys(data.name for _, data in fitting))
        raise TeachMattersError(f"--data-root {request.data_root}: {names} needs none; name your data set with --data")
    run_settings = RunSettings(
        given=given_parameters(request.parameters, parties(fitting)),
        data_root=request.data_root,
        limit=request.limit,
        seed=request.seed,
        dtype=request.dtype,
    )
    opener = Opener()
    tasks = [
        opener.task(wanted, data, replace(run_settings, given=given))
        for wanted, data in fitting
        for given in each_given(wanted.analysis, run_settings.given)
    ]
    if not request.data:
        remarks += _default_data(tasks)
    return tasks, remarks + remarks_of(tasks)


def _default_data(tasks: Iterable[Task]) -> list[str]:
    """Return which data set the analyses use by default, and how many images of it: one sentence per data set."""
    used: dict[str, dict[str, None]] = {}
    for task in tasks:
        used.setdefault(f"{task.dataset!r} ({len(task.keys):,} images)", {})[task.spec.name] = None
    return [f"no --data given: {listing(names)} on {data}" for data, names in used.items()]


def remarks_of(tasks: Iterable[Task]) -> list[str]:
    """Return the remarks of the tasks' data sets, each once."""
    return list(dict.fromkeys(f"{task.dataset}: {remark}" for task in tasks for remark in task.remarks))


class Opener:
    """An opener that opens each data set once, however many analyses use it."""

    def __init__(self) -> None:
        self.opened: dict[object, OpenDataset] = {}

    def task(self, wanted: AnalysisRequest, data: DatasetSpec, run_settings: RunSettings) -> Task:
        """Return the task of one analysis on one data set.

        Raises:
            TeachMattersError: the data set is absent or lacks the kind of data needed, or a parameter does not allow
                the given value.
        """
        spec = wanted.analysis
        parameters = pair_parameters(spec, data, run_settings.given)
        values, setting = cell_parameters(spec, data, parameters, run_settings)
        opened = self._open(data, parameters.data, run_settings)
        kinds, metrics = _offered(wanted, opened)
        analysis = new_analysis(spec)
        roles = analysis.input_spec(parameters.analysis, frozenset(metric.name for metric in spec.metrics)).roles
        items = analysis.select(items_of(opened, kinds[0], roles, run_settings.limit), parameters.analysis)
        return Task(
            spec=spec,
            metrics=metrics,
            opened=opened,
            kinds=kinds,
            parameters=parameters.analysis,
            inputs={name: analysis.input_spec(parameters.analysis, frozenset({name})) for name in metrics},
            items=items,
            template=Cell(
                model="",
                weights="",
                dataset=data.name,
                split=opened.dataset.split(kinds[0]),
                fingerprint=fingerprint(opened, kinds, items),
                analysis=spec.name,
                analysis_version=spec.version,
                parameters=values,
                limit=run_settings.limit,
                seed=run_settings.seed,
                dtype=run_settings.dtype,
            ),
            setting=setting,
            pool=pool_of(data, run_settings),
            remarks=_remarks(opened, kinds, items),
            force=any(
                {p.name, f"{spec.name}.{p.name}"} & set(run_settings.given) for p in spec.parameters if not p.in_setting
            ),
        )

    def _open(self, data: DatasetSpec, values: Mapping[str, Value], run_settings: RunSettings) -> OpenDataset:
        key = data.name, repr(sorted(values.items())), run_settings.data_root, run_settings.seed
        if key not in self.opened:
            self.opened[key] = open_dataset(data, run_settings.data_root, values, run_settings.seed)
        return self.opened[key]


def _offered(wanted: AnalysisRequest, opened: OpenDataset) -> tuple[tuple[Kind, ...], frozenset[str]]:
    """Return the kinds and metrics of a request that the data set, as found on disk, offers.

    Raises:
        TeachMattersError: it offers none; for instance, a folder of images turns out to have no labels.
    """
    spec, dataset = wanted.analysis, opened.dataset
    metrics = wanted.metrics & spec.metrics_on(dataset.kinds)
    if not metrics:
        refuse_kind(opened, " or ".join(spec.kinds))
    own = spec.kind_on(dataset.kinds)
    needed = {metric.kind or own for metric in spec.metrics if metric.name in metrics}
    return tuple(kind for kind in spec.kinds if kind in needed), metrics


def _remarks(opened: OpenDataset, kinds: Iterable[Kind], items: Mapping[Role, Sequence[Item]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(remark for kind in kinds for remark in opened.dataset.remarks(kind, items)))
