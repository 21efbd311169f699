"""On what terms an analysis meets a data set, and what of them is told in a setting."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api import AnalysisSpec, DatasetSpec, Value
from teachmatters.runner.plan.parameters import Given, effective, setting_of
from teachmatters.runner.requests import Dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Parameters that were given, and what else a cell depends on beside model, analysis and data set."""

    given: Given
    data_root: Path | None
    limit: int | None
    seed: int
    dtype: Dtype


def pool_of(data: DatasetSpec, run_settings: RunSettings) -> Hashable:
    """A data set as it was asked for. What analyses choose of it by their own defaults makes no other images."""
    names = {name for p in data.parameters for name in (p.name, f"{data.name}.{p.name}")}
    return data.name, run_settings.data_root, tuple(sorted((n, v) for n, v in run_settings.given.items() if n in names))


def cell_parameters(spec: AnalysisSpec, data: DatasetSpec, run_settings: RunSettings) -> tuple[dict[str, Value], str]:
    """The parameters that belong to a cell, and its setting: the text of all that is not at its default."""
    values = _in_setting(
        spec, data, effective(spec, data.name, run_settings.given), effective(data, spec.name, run_settings.given)
    )
    defaults = _in_setting(spec, data, effective(spec, data.name, {}), effective(data, spec.name, {}))
    return values, setting_of(values, defaults, run_settings.limit, run_settings.seed, run_settings.dtype)


def _in_setting(
    spec: AnalysisSpec, data: DatasetSpec, of_analysis: Mapping[str, Value], of_data: Mapping[str, Value]
) -> dict[str, Value]:
    """The parameters that belong to a cell; where both parties declare a name, the data set's is qualified."""
    told = {p.name: of_analysis[p.name] for p in spec.parameters if p.in_setting}
    for p in data.parameters:
        if p.in_setting:
            told[f"{data.name}.{p.name}" if p.name in told else p.name] = of_data[p.name]
    return told
