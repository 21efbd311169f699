"""Which analysis meets which data set: names looked up, and what cannot be together left out or refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from teachmatters.api import AnalysisSpec, DatasetSpec
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import AnalysisRequest, Registry

PAPER = "paper"
"""In place of a data set's name: for each analysis those of the paper."""

Pairing: TypeAlias = tuple[AnalysisRequest, DatasetSpec]


def paired(registry: Registry, metrics: Iterable[str], data: Sequence[str]) -> tuple[list[Pairing], list[str]]:
    """Every analysis with every data set that suits it, and sentences about what was left out.

    Args:
        registry: what there is.
        metrics: analyses, metrics or suites.
        data: data sets; none: the default of each analysis; ``paper``: the paper's.

    Raises:
        TeachMattersError: an unknown name, or an analysis that none of the data sets suits.
    """
    requests = merged(each for name in metrics for each in registry.requests(name))
    pairings = [(wanted, each) for wanted in requests for each in _data_for(registry, wanted.analysis, data)]
    fitting = [(wanted, each) for wanted, each in pairings if _fits(wanted, each)]
    return fitting, _misfits(registry, requests, pairings)


def parties(fitting: Sequence[Pairing]) -> list[AnalysisSpec | DatasetSpec]:
    """Every analysis and every data set, each once: those whose parameters may be given."""
    analyses = {wanted.analysis.name: wanted.analysis for wanted, _ in fitting}
    datasets = {data.name: data for _, data in fitting}
    return [*analyses.values(), *datasets.values()]


def merged(requests: Iterable[AnalysisRequest]) -> list[AnalysisRequest]:
    """Each analysis once, with all metrics that were asked of it."""
    together: dict[str, AnalysisRequest] = {}
    for each in requests:
        before = together.get(each.analysis.name, each)
        metrics = before.metrics | each.metrics
        together[each.analysis.name] = AnalysisRequest(each.analysis, metrics, before.suite and each.suite)
    return list(together.values())


def _data_for(registry: Registry, analysis: AnalysisSpec, data: Sequence[str]) -> list[DatasetSpec]:
    names = dict.fromkeys(
        name
        for given in data or [analysis.default_data]
        for name in (analysis.paper_data if given == PAPER else (given,))
    )
    return [registry.dataset(name) for name in names]


def _fits(wanted: AnalysisRequest, data: DatasetSpec) -> bool:
    return bool(wanted.metrics & wanted.analysis.metrics_on(data.kinds))


def _misfits(registry: Registry, requests: Sequence[AnalysisRequest], pairings: Sequence[Pairing]) -> list[str]:
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
