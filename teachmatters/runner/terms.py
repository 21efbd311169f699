"""On what terms an analysis meets a data set, and what of them is told in a setting."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api import AnalysisSpec, DatasetSpec, Value
from teachmatters.runner.parameters import Given, effective, setting_of
from teachmatters.runner.request import Dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Parameters that were given, and what else a cell depends on beside model, analysis and data set."""

    given: Given
    data_root: Path | None
    limit: int | None
    seed: int
    dtype: Dtype


def pool_of(data: DatasetSpec, terms: Terms) -> Hashable:
    """A data set as it was asked for. What analyses choose of it by their own defaults makes no other pictures."""
    names = {name for p in data.parameters for name in (p.name, f"{data.name}.{p.name}")}
    return data.name, terms.data_root, tuple(sorted((n, v) for n, v in terms.given.items() if n in names))


def settled(spec: AnalysisSpec, data: DatasetSpec, terms: Terms) -> tuple[dict[str, Value], str]:
    """The parameters that belong to a cell, and its setting: the text of all that is not at its default."""
    values = _told(spec, data, effective(spec, data.name, terms.given), effective(data, spec.name, terms.given))
    defaults = _told(spec, data, effective(spec, data.name, {}), effective(data, spec.name, {}))
    return values, setting_of(values, defaults, terms.limit, terms.seed, terms.dtype)


def _told(
    spec: AnalysisSpec, data: DatasetSpec, of_analysis: Mapping[str, Value], of_data: Mapping[str, Value]
) -> dict[str, Value]:
    """The parameters that belong to a cell; where both parties declare a name, the data set's is qualified."""
    told = {p.name: of_analysis[p.name] for p in spec.parameters if p.in_setting}
    for p in data.parameters:
        if p.in_setting:
            told[f"{data.name}.{p.name}" if p.name in told else p.name] = of_data[p.name]
    return told
