"""A minimal example of every hook; every ``tm --help`` imports this module, so it holds only specs."""

from __future__ import annotations

from teachmatters import hookimpl
from teachmatters.api import AnalysisSpec, CommandSpec, DatasetSpec, MetricSpec, ModelSpec, Parameter, ReportSpec

TEACHMATTERS_API = 2


# --8<-- [start:models]
@hookimpl
def register_models() -> list[ModelSpec]:
    """Return the specs of a model and of a prefix for all its seeds."""
    return [
        ModelSpec(
            name="tiny-ti16",
            family="tiny",
            supervision="none",
            summary="untrained, seeded ViT-Ti/16",
            factory="tm_token_norm.model:open_tiny",
            licence="none needed",
            source="timm's initialisation from --seed",
        ),
        ModelSpec(
            name="tiny/",
            family="tiny",
            supervision="none",
            summary="the same network with another seed, such as tiny/7",
            resolve="tm_token_norm.model:resolve",
            licence="none needed",
            source="timm's initialisation from the number",
        ),
    ]


# --8<-- [end:models]


# --8<-- [start:datasets]
@hookimpl
def register_datasets() -> list[DatasetSpec]:
    """Return the spec of the data set ``checkers``."""
    return [
        DatasetSpec(
            name="checkers",
            summary="generated checkerboards of increasing fineness",
            kinds=frozenset({"images"}),
            factory="tm_token_norm.data:open_checkers",
            bundled=True,
            layout="generated on request; no files",
            source="part of tm-token-norm",
            licence="MIT",
            parameters=(Parameter(name="boards", kind="int", default=6, minimum=1, summary="how many"),),
        )
    ]


# --8<-- [end:datasets]


# --8<-- [start:analyses]
@hookimpl
def register_analyses() -> list[AnalysisSpec]:
    """Return the spec of an analysis with one metric."""
    metric = MetricSpec(
        name="token-norm",
        title="token norm",
        summary="Mean L2 norm of the spatial tokens of a layer's output.",
        unit="",
        higher_is_better=None,
        bounds=(0.0, None),
    )
    return [
        AnalysisSpec(
            name="norms",
            summary="How long the tokens of each layer are.",
            metrics=(metric,),
            factory="tm_token_norm.analysis:TokenNorm",
        )
    ]


# --8<-- [end:analyses]


# --8<-- [start:reports]
@hookimpl
def register_reports() -> list[ReportSpec]:
    """Return the spec of a report with a figure."""
    return [
        ReportSpec(
            name="token-growth",
            summary="how much the tokens grow from the first layer to the last",
            sql="tm_token_norm:growth.sql",
            draw="tm_token_norm.report:draw",
            metrics=("token-norm",),
        )
    ]


# --8<-- [end:reports]


# --8<-- [start:commands]
@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the spec of a command."""
    return [
        CommandSpec(name="norms", summary="Show the layer with the longest tokens.", app="tm_token_norm.command:app")
    ]


# --8<-- [end:commands]
