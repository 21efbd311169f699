"""The five hooks of a plugin. Each returns a list of cheap specs, which name heavy code instead of importing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from teachmatters.api import AnalysisSpec, CommandSpec, DatasetSpec, ModelSpec, ReportSpec

GROUP = "teachmatters"

# The version of the hooks and of ``teachmatters.api``. It is raised when a plugin made for the previous version may
# break, not when something is added.
API_VERSION = 2

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_models() -> list[ModelSpec]:  # type: ignore[empty-body]
    """Return models, or prefixes that resolve to models."""


@hookspec
def register_datasets() -> list[DatasetSpec]:  # type: ignore[empty-body]
    """Return data sets."""


@hookspec
def register_analyses() -> list[AnalysisSpec]:  # type: ignore[empty-body]
    """Return analyses, each with the metrics that it records."""


@hookspec
def register_reports() -> list[ReportSpec]:  # type: ignore[empty-body]
    """Return reports: a query of the store and a figure."""


@hookspec
def register_commands() -> list[CommandSpec]:  # type: ignore[empty-body]
    """Return commands of ``tm``, each a ``typer.Typer``."""
