"""The five hooks of a plugin. Each returns a list of cheap specs; the heavy part of a spec is named, not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from teachmatters.api import AnalysisSpec, CommandSpec, DatasetSpec, ModelSpec, ReportSpec

GROUP = "teachmatters"

API_VERSION = 2
"""Of what plugins are written against, the hooks and ``teachmatters.api``: raised when a plugin that was made for the
version before may break. What is merely added does not raise it."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_models() -> list[ModelSpec]:  # type: ignore[empty-body]
    """Models, or prefixes that resolve to models."""


@hookspec
def register_datasets() -> list[DatasetSpec]:  # type: ignore[empty-body]
    """Data sets."""


@hookspec
def register_analyses() -> list[AnalysisSpec]:  # type: ignore[empty-body]
    """Analyses, each with the metrics it records."""


@hookspec
def register_reports() -> list[ReportSpec]:  # type: ignore[empty-body]
    """Reports: a query of the store and a drawing."""


@hookspec
def register_commands() -> list[CommandSpec]:  # type: ignore[empty-body]
    """Commands of ``tm``, each a ``typer.Typer``."""
