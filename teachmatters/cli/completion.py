"""Shell completion of names: of models, metrics, data sets, reports, and the content of a store.

A shell shows no errors, so there are no completions if names cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.reports.catalog import Catalog


def complete_models(incomplete: str) -> list[str]:
    """Return the models and families that start with this text; after ``LABEL=``, with the label."""
    from teachmatters.registry import load

    label, equals, name = incomplete.rpartition("=")
    known = load()
    return [f"{label}{equals}{each}" for each in _matching(name, [*known.models, *known.aliases])]


def complete_metrics(incomplete: str) -> list[str]:
    """Return the analyses, metrics and suites that start with this text."""
    from teachmatters.registry import load

    specs = load().analyses.values()
    suites = {suite for spec in specs for suite in spec.suites}
    metrics = (metric.name for spec in specs for metric in spec.metrics)
    return _matching(incomplete, [*suites, *(spec.name for spec in specs), *metrics])


def complete_parameters(context: typer.Context, incomplete: str) -> list[str]:
    """Return ``NAME=`` of the parameters of the analyses and data sets given so far; after it, the allowed values."""
    from teachmatters.registry import load
    from teachmatters.runner.plan.parameters import parameter_names

    known = load()
    names = context.params.get("metric") or ()
    try:
        analyses = [each.analysis for name in names for each in known.requests(name)] or known.analyses.values()
    except TeachMattersError:
        return []
    data = [known.datasets[name] for name in context.params.get("data") or () if name in known.datasets]
    parties = [*analyses, *data]
    values = {
        f"{name}={value}": None
        for party in parties
        for parameter in party.parameters
        for name in (parameter.name, f"{party.name}.{parameter.name}")
        for value in parameter.choices
    }
    return _matching(incomplete, values if "=" in incomplete else [f"{name}=" for name in parameter_names(parties)])


def complete_datasets(incomplete: str) -> list[str]:
    """Return the data sets that start with this text."""
    from teachmatters.registry import load

    return _matching(incomplete, load().datasets)


def complete_reports(incomplete: str) -> list[str]:
    """Return the reports that start with this text."""
    from teachmatters.registry import load

    return _matching(incomplete, [*load().reports, "page"])


def complete_plugins(incomplete: str) -> list[str]:
    """Return the plugins that start with this text."""
    from teachmatters.registry import load

    return _matching(incomplete, (plugin.name for plugin in load().plugins))


def complete_commands(incomplete: str) -> list[str]:
    """Return the commands that start with this text."""
    from teachmatters.registry import load

    return _matching(incomplete, load().commands)


def complete_config_keys(incomplete: str) -> list[str]:
    """Return the keys of the configuration that start with this text."""
    from teachmatters.config import KEYS

    return _matching(incomplete, KEYS)


def complete_studies(incomplete: str) -> list[str]:
    """Return the packaged studies that start with this text, and ``new``."""
    from teachmatters.runner.study.files import packaged

    return _matching(incomplete, [*packaged(), "new"])


def complete_labels(context: typer.Context, incomplete: str) -> list[str]:
    """Return the models in the store that start with this text, and their families."""
    held = _catalog(context)
    return _matching(incomplete, [*held.models, *held.models.values()]) if held else []


def complete_measured(context: typer.Context, incomplete: str) -> list[str]:
    """Return the metrics in the store that start with this text, and their analyses."""
    held = _catalog(context)
    return _matching(incomplete, [*held.facts, *held.analyses]) if held else []


def complete_measured_data(context: typer.Context, incomplete: str) -> list[str]:
    """Return the data sets in the store that start with this text."""
    held = _catalog(context)
    return _matching(incomplete, held.data) if held else []


def _catalog(context: typer.Context) -> Catalog | None:
    from teachmatters.reports.catalog import read_catalog
    from teachmatters.store.location import reading_path

    try:
        return read_catalog(reading_path(context.params.get("db"))[0])
    except TeachMattersError:
        return None


def _matching(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name and name.startswith(incomplete)]
