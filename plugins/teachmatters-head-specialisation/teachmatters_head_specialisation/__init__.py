"""Register an analysis and a report; every ``tm --help`` imports this module, so it holds only specs."""

from __future__ import annotations

from teachmatters import hookimpl
from teachmatters.api import AnalysisSpec, MetricSpec, ReportSpec

# --8<-- [start:api]
TEACHMATTERS_API = 2
# --8<-- [end:api]

# --8<-- [start:metric]
METRIC = MetricSpec(
    name="head-specialisation",
    title="head specialisation",
    summary="Jensen-Shannon divergence among the heads' attention; of a head, its KL divergence to the mean of all.",
    unit="nats",
    higher_is_better=None,
    bounds=(0.0, None),  # the upper bound, ln H, depends on the model
    level="head",
    source="Lin 1991, Divergence measures based on the Shannon entropy",
)
# --8<-- [end:metric]


# --8<-- [start:analysis]
@hookimpl
def register_analyses() -> list[AnalysisSpec]:
    """Return the spec of the analysis ``head-specialisation``."""
    return [
        AnalysisSpec(
            name="head-specialisation",
            summary="How differently the heads of a layer attend to an image.",
            metrics=(METRIC,),
            factory="teachmatters_head_specialisation.analysis:HeadSpecialisation",
        )
    ]


# --8<-- [end:analysis]


# --8<-- [start:report]
@hookimpl
def register_reports() -> list[ReportSpec]:
    """Return the spec of the report ``head-specialisation``."""
    return [
        ReportSpec(
            name="head-specialisation",
            summary="how differently the heads of each layer attend: every head and the mean of its layer",
            sql="teachmatters_head_specialisation:head_specialisation.sql",
            table="teachmatters_head_specialisation.report:table",
            draw="teachmatters_head_specialisation.report:draw",
            metrics=(METRIC.name,),
        )
    ]


# --8<-- [end:report]
