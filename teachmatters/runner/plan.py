"""From what was asked to what there is to do: one task for each analysis and data set, whatever the models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from teachmatters.api import Analysis, AnalysisSpec, DatasetSpec, Item, Kind, Role, Value
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import Registry, Request, call
from teachmatters.runner.data import OpenDataset, fingerprint, items_of, open_dataset, refuse_kind
from teachmatters.runner.parameters import Given, effective, given_parameters, setting_of
from teachmatters.runner.request import AnalyzeRequest
from teachmatters.store import Cell


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Task:
    """One analysis on one data set, for any model.

    Attributes:
        spec, metrics: what is wanted of which analysis.
        opened: the data set.
        kinds: of data that the wanted metrics need and the data set offers; items are of the first.
        parameters: of the analysis, defaults filled in.
        items: by role, limit applied.
        template: the cell, without the model.
        setting: what is not at its default.
        anew: whether a parameter was given whose effect is no number, so that nothing stored can stand for it.
    """

    spec: AnalysisSpec
    metrics: frozenset[str]
    opened: OpenDataset
    kinds: tuple[Kind, ...]
    parameters: Mapping[str, Value]
    items: Mapping[Role, Sequence[Item]]
    template: Cell
    setting: str
    anew: bool = False

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.opened.spec.name

    @property
    def keys(self) -> set[str]:
        """The pictures of all roles, each once."""
        return {item.key for items in self.items.values() for item in items}

    def new_analysis(self) -> Analysis:
        """A fresh instance."""
        return new_analysis(self.spec)


def new_analysis(spec: AnalysisSpec) -> Analysis:
    """The analysis that a spec names.

    Raises:
        TeachMattersError: a plugin's factory fails, or makes something else.
    """
    analysis = call(spec.factory)
    if not isinstance(analysis, Analysis):
        raise TeachMattersError(f"{spec.factory!r} made a {type(analysis).__name__}, not an Analysis; see 'tm plugins'")
    return analysis


def plan(registry: Registry, request: AnalyzeRequest) -> tuple[list[Task], list[str]]:
    """The tasks of a command, and sentences about choices that were made for the user.

    Raises:
        TeachMattersError: an unknown name or parameter, a data set that is not there or does not fit.
    """
    requests = merged(each for name in request.metrics for each in registry.requests(name))
    pairings = [(wanted, data) for wanted in requests for data in _data_for(registry, wanted.analysis, request.data)]
    fitting = [(wanted, data) for wanted, data in pairings if _fits(wanted, data)]
    said = _misfits(registry, requests, pairings)
    if request.data_root is not None and fitting and all(data.bundled for _, data in fitting):
        names = listing(dict.fromkeys(data.name for _, data in fitting))
        raise TeachMattersError(f"--data-root {request.data_root}: {names} needs none; name your data set with --data")
    opener = _Opener(request, _given(request, fitting))
    tasks = [opener.task(wanted, data) for wanted, data in fitting]
    if not request.data:
        said += [f"no --data given: {t.spec.name} uses {t.dataset!r} ({len(t.keys):,} pictures)" for t in tasks]
    return tasks, said


def _given(request: AnalyzeRequest, fitting: Sequence[tuple[Request, DatasetSpec]]) -> Given:
    analyses = {wanted.analysis.name: wanted.analysis for wanted, _ in fitting}
    datasets = {data.name: data for _, data in fitting}
    return given_parameters(request.parameters, [*analyses.values(), *datasets.values()])


def _fits(wanted: Request, data: DatasetSpec) -> bool:
    return bool(wanted.metrics & wanted.analysis.metrics_on(data.kinds))


def merged(requests: Iterable[Request]) -> list[Request]:
    """Each analysis once, with all metrics that were asked of it."""
    together: dict[str, Request] = {}
    for each in requests:
        before = together.get(each.analysis.name, each)
        metrics = before.metrics | each.metrics
        together[each.analysis.name] = Request(each.analysis, metrics, before.suite and each.suite)
    return list(together.values())


def _data_for(registry: Registry, analysis: AnalysisSpec, data: Sequence[str]) -> list[DatasetSpec]:
    names = dict.fromkeys(
        name
        for given in data or [analysis.default_data]
        for name in (analysis.paper_data if given == "paper" else (given,))
    )
    return [registry.dataset(name) for name in names]


def _misfits(
    registry: Registry, requests: Sequence[Request], pairings: Sequence[tuple[Request, DatasetSpec]]
) -> list[str]:
    """Sentences about pairings that cannot be; an error if an analysis that was asked for is left with nothing."""
    said = []
    anything = any(_fits(wanted, data) for wanted, data in pairings)
    for wanted in requests:
        spec, mine = wanted.analysis, [data for other, data in pairings if other is wanted]
        if any(_fits(wanted, data) for data in mine) or (wanted.suite and anything):
            said += [f"{spec.name} cannot use {data.name!r}: left out" for data in mine if not _fits(wanted, data)]
            continue
        needs = " or ".join(spec.kinds)
        able = listing(name for name, data in registry.datasets.items() if _fits(wanted, data))
        if not mine:
            raise TeachMattersError(f"the paper has no data set for {spec.name}; give --data: {able}")
        raise TeachMattersError(
            f"{spec.name} needs {needs}, which {listing(data.name for data in mine)} does not offer; "
            f"data sets that do: {able}"
        )
    return said


class _Opener:
    """Opens each data set once, however many analyses use it."""

    def __init__(self, request: AnalyzeRequest, given: Given) -> None:
        self.request, self.given = request, given
        self.opened: dict[tuple[str, str], OpenDataset] = {}

    def task(self, wanted: Request, data: DatasetSpec) -> Task:
        """One analysis on one data set."""
        spec, request = wanted.analysis, self.request
        of_data, of_analysis = effective(data, spec.name, self.given), effective(spec, data.name, self.given)
        opened = self._open(data, of_data)
        kinds, metrics = _offered(wanted, opened)
        items = _items(spec, opened, kinds[0], of_analysis, request.limit)
        values = _told(spec, data, of_analysis, of_data)
        defaults = _told(spec, data, effective(spec, data.name, {}), effective(data, spec.name, {}))
        return Task(
            spec=spec,
            metrics=metrics,
            opened=opened,
            kinds=kinds,
            parameters=of_analysis,
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
                limit=request.limit,
                seed=request.seed,
                dtype=request.dtype,
            ),
            setting=setting_of(values, defaults, request.limit, request.seed, request.dtype),
            anew=any({p.name, f"{spec.name}.{p.name}"} & set(self.given) for p in spec.parameters if not p.in_setting),
        )

    def _open(self, data: DatasetSpec, values: Mapping[str, Value]) -> OpenDataset:
        key = data.name, repr(sorted(values.items()))
        if key not in self.opened:
            self.opened[key] = open_dataset(data, self.request.data_root, values, self.request.seed)
        return self.opened[key]


def _offered(wanted: Request, opened: OpenDataset) -> tuple[tuple[Kind, ...], frozenset[str]]:
    """The kinds and metrics that the data set, as it lies there, has for what is wanted.

    Raises:
        TeachMattersError: none (a folder of pictures may turn out to have no labels).
    """
    spec, dataset = wanted.analysis, opened.dataset
    metrics = wanted.metrics & spec.metrics_on(dataset.kinds)
    if not metrics:
        refuse_kind(opened, " or ".join(spec.kinds))
    own = spec.kind_on(dataset.kinds)
    needed = {metric.kind or own for metric in spec.metrics if metric.name in metrics}
    return tuple(kind for kind in spec.kinds if kind in needed), metrics


def _items(
    spec: AnalysisSpec, opened: OpenDataset, kind: Kind, parameters: Mapping[str, Value], limit: int | None
) -> Mapping[Role, Sequence[Item]]:
    analysis = new_analysis(spec)
    roles = analysis.feed(parameters, frozenset(metric.name for metric in spec.metrics)).roles
    return analysis.select(items_of(opened, kind, roles, limit), parameters)


def _told(
    spec: AnalysisSpec, data: DatasetSpec, of_analysis: Mapping[str, Value], of_data: Mapping[str, Value]
) -> dict[str, Value]:
    """The parameters that belong to a cell; where both parties declare a name, the data set's is qualified."""
    told = {p.name: of_analysis[p.name] for p in spec.parameters if p.in_setting}
    for p in data.parameters:
        if p.in_setting:
            told[f"{data.name}.{p.name}" if p.name in told else p.name] = of_data[p.name]
    return told
