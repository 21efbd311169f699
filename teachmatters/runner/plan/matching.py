"""Pairs analyses with data sets: looks the names up, and leaves out or rejects pairs that do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from teachmatters.api import AnalysisSpec, DatasetSpec
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import AnalysisRequest, Registry

PAPER = "paper"  # in place of a data set's name: for each analysis the data sets of the paper

Pairing: TypeAlias = tuple[AnalysisRequest, DatasetSpec]


def paired(registry: Registry, metrics: Iterable[str], data: Sequence[str]) -> tuple[list[Pairing], list[str]]:
    """Return every analysis with every data set that it can use, and a sentence about each pair that was left out.

    Args:
        registry: the known analyses and data sets.
        metrics: analyses, metrics or suites.
        data: data sets; empty: the default of each analysis; ``paper``: the paper's.

    Raises:
        TeachMattersError: a name is unknown, or an analysis cannot use any of the data sets.
    """
    requests = merged(request for name in metrics for request in registry.requests(name))
    pairings = [(wanted, spec) for wanted in requests for spec in _data_for(registry, wanted.analysis, data)]
    fitting = [(wanted, spec) for wanted, spec in pairings if _fits(wanted, spec)]
    return fitting, _misfits(registry, requests, pairings)


def parties(fitting: Sequence[Pairing]) -> list[AnalysisSpec | DatasetSpec]:
    """Return every analysis and every data set once: those whose parameters may be given."""
    analyses = {wanted.analysis.name: wanted.analysis for wanted, _ in fitting}
    datasets = {data.name: data for _, data in fitting}
    return [*analyses.values(), *datasets.values()]


def merged(requests: Iterable[AnalysisRequest]) -> list[AnalysisRequest]:
    """Return each analysis once, with all metrics that were requested of it."""
    by_name: dict[str, AnalysisRequest] = {}
    for request in requests:
        earlier = by_name.get(request.analysis.name, request)
        metrics = earlier.metrics | request.metrics
        by_name[request.analysis.name] = AnalysisRequest(request.analysis, metrics, earlier.suite and request.suite)
    return list(by_name.values())


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
    """Return a sentence about each pair that does not fit; raise if an analysis requested by name has no data set."""
    remarks = []
    some_fit = any(_fits(wanted, data) for wanted, data in pairings)
    for wanted in requests:
        spec, candidates = wanted.analysis, [data for other, data in pairings if other is wanted]
        misfits = [data for data in candidates if not _fits(wanted, data)]
        if len(misfits) < len(candidates) or (wanted.suite and some_fit):
            remarks += [f"{spec.name} cannot use {data.name!r}: left out" for data in misfits]
            continue
        needs = " or ".join(spec.kinds)
        able = listing(name for name, data in registry.datasets.items() if _fits(wanted, data))
        if not candidates:
            raise TeachMattersError(f"the paper has no data set for {spec.name}; give --data: {able}")
        raise TeachMattersError(
            f"{spec.name} needs {needs}, which {listing(data.name for data in candidates)} does not offer; "
            f"data sets that do: {able}"
        )
    return remarks
