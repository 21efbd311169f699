"""From what was asked to what there is to do: one task for each analysis and data set, whatever the models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from teachmatters.api import Analysis, AnalysisSpec, DatasetSpec, Feed, Item, Role, Value
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import Registry, Request, load_object
from teachmatters.runner.data import OpenDataset, fingerprint, items_of, open_dataset
from teachmatters.runner.parameters import Given, effective, given_parameters, setting_of
from teachmatters.runner.request import AnalyzeRequest
from teachmatters.store import Cell


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One analysis on one data set, for any model.

    Attributes:
        spec, metrics: what is wanted of which analysis.
        opened: the data set.
        parameters: of the analysis, defaults filled in.
        items: by role, limit applied.
        feed: what the analysis wants to be handed.
        template: the cell, without the model.
        setting: what is not at its default.
    """

    spec: AnalysisSpec
    metrics: frozenset[str]
    opened: OpenDataset
    parameters: Mapping[str, Value]
    items: Mapping[Role, Sequence[Item]]
    feed: Feed
    template: Cell
    setting: str

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.opened.spec.name

    @property
    def size(self) -> int:
        """Number of pictures of all roles."""
        return sum(len(items) for items in self.items.values())

    def new_analysis(self) -> Analysis:
        """A fresh instance."""
        return new_analysis(self.spec)


def new_analysis(spec: AnalysisSpec) -> Analysis:
    """The analysis that a spec names."""
    analysis = load_object(spec.factory)()
    assert isinstance(analysis, Analysis), f"{spec.factory} is not an Analysis"
    return analysis


def plan(registry: Registry, request: AnalyzeRequest) -> tuple[list[Task], list[str]]:
    """The tasks of a command, and sentences about choices that were made for the user.

    Raises:
        TeachMattersError: an unknown name or parameter, a data set that is not there or does not fit.
    """
    requests = merged(each for name in request.metrics for each in registry.requests(name))
    pairings = [(wanted, data) for wanted in requests for data in _data_for(registry, wanted.analysis, request.data)]
    fitting = [(wanted, data) for wanted, data in pairings if wanted.analysis.kind in data.kinds]
    said = _misfits(registry, requests, pairings, fitting)
    parties = dict.fromkeys(party.name for pair in fitting for party in (pair[0].analysis, pair[1]))
    specs: list[AnalysisSpec | DatasetSpec] = [
        spec for name in parties for spec in (registry.analyses.get(name), registry.datasets.get(name)) if spec
    ]
    given = given_parameters(request.parameters, specs)
    opener = _Opener(request, given)
    tasks = [opener.task(wanted, data) for wanted, data in fitting]
    if not request.data:
        said += [f"no --data given: {task.spec.name} uses {task.dataset!r} ({task.size:,} pictures)" for task in tasks]
    return tasks, said


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
    registry: Registry,
    requests: Sequence[Request],
    pairings: Sequence[tuple[Request, DatasetSpec]],
    fitting: Sequence[tuple[Request, DatasetSpec]],
) -> list[str]:
    """Sentences about pairings that cannot be; an error if an analysis that was asked for is left with nothing."""
    said = []
    for wanted in requests:
        unfit = [data.name for other, data in pairings if other is wanted and wanted.analysis.kind not in data.kinds]
        if not unfit:
            continue
        spec = wanted.analysis
        why = f"{spec.name} needs {spec.kind}, which {listing(unfit)} does not offer"
        if not (wanted.suite and fitting) and not any(other is wanted for other, _ in fitting):
            able = [name for name, data in registry.datasets.items() if spec.kind in data.kinds]
            raise TeachMattersError(f"{why}; data sets with {spec.kind}: {listing(able)}")
        said.append(f"{why}: left out")
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
        feed = new_analysis(spec).feed(of_analysis)
        items = items_of(opened, spec.kind, feed.roles, request.limit)
        values = _told(spec, data, of_analysis, of_data)
        defaults = _told(spec, data, effective(spec, data.name, {}), effective(data, spec.name, {}))
        template = Cell(
            model="",
            weights="",
            dataset=data.name,
            split=opened.dataset.split(spec.kind),
            fingerprint=fingerprint(opened, spec.kind, items),
            analysis=spec.name,
            analysis_version=spec.version,
            parameters=values,
            limit=request.limit,
            seed=request.seed,
            dtype=request.dtype,
        )
        setting = setting_of(values, defaults, request.limit, request.seed, request.dtype)
        return Task(spec, wanted.metrics, opened, of_analysis, items, feed, template, setting)

    def _open(self, data: DatasetSpec, values: Mapping[str, Value]) -> OpenDataset:
        key = data.name, repr(sorted(values.items()))
        if key not in self.opened:
            self.opened[key] = open_dataset(data, self.request.data_root, values, self.request.seed)
        return self.opened[key]


def _told(
    spec: AnalysisSpec, data: DatasetSpec, of_analysis: Mapping[str, Value], of_data: Mapping[str, Value]
) -> dict[str, Value]:
    """The parameters that belong to a cell; where both parties declare a name, the data set's is qualified."""
    told = {p.name: of_analysis[p.name] for p in spec.parameters if p.in_setting}
    for p in data.parameters:
        if p.in_setting:
            told[f"{data.name}.{p.name}" if p.name in told else p.name] = of_data[p.name]
    return told
