"""Settings of a run: parameters, limit, seed and dtype, and the text that the store shows of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api import AnalysisSpec, DatasetSpec, Value
from teachmatters.runner.plan.parameters import Given, PairParameters, pair_parameters, setting_of
from teachmatters.runner.requests import Dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that a cell depends on in addition to model, analysis and data set."""

    given: Given
    data_root: Path | None
    limit: int | None
    seed: int
    dtype: Dtype


def pool_of(data: DatasetSpec, run_settings: RunSettings) -> Hashable:
    """Return a key of a data set as requested; defaults that depend on the analysis do not change the images."""
    names = {name for p in data.parameters for name in (p.name, f"{data.name}.{p.name}")}
    return data.name, run_settings.data_root, tuple(sorted((n, v) for n, v in run_settings.given.items() if n in names))


def cell_parameters(
    spec: AnalysisSpec, data: DatasetSpec, parameters: PairParameters, run_settings: RunSettings
) -> tuple[dict[str, Value], str]:
    """Return the parameters that belong to a cell, and its setting: the text of all that is not at its default."""
    values = _in_setting(spec, data, parameters)
    defaults = _in_setting(spec, data, pair_parameters(spec, data, {}))
    setting = setting_of(values, defaults, run_settings.limit, run_settings.seed, run_settings.dtype)
    optional = {p.name for p in spec.parameters if p.omit_default}
    kept = {name: value for name, value in values.items() if name not in optional or value != defaults[name]}
    return kept, setting


def _in_setting(spec: AnalysisSpec, data: DatasetSpec, parameters: PairParameters) -> dict[str, Value]:
    """Return the parameters that belong to a cell; a name that both declare is qualified for the data set."""
    values = {p.name: parameters.analysis[p.name] for p in spec.parameters if p.in_setting}
    for p in data.parameters:
        if p.in_setting:
            values[f"{data.name}.{p.name}" if p.name in values else p.name] = parameters.data[p.name]
    return values
