"""The specs of the built-in analyses. They do not import torch, so they are cheap to read."""

from __future__ import annotations

from teachmatters.analyses.attention.attention_specs import ATTENTION
from teachmatters.analyses.attention.mask_specs import ARTEFACTS, ATTENTION_IOU
from teachmatters.analyses.representation.cluster_specs import CLUSTER_ANALYSES
from teachmatters.analyses.representation.similarity_specs import CKA, POSITION, RANK, RESIDUAL, SIMILARITY
from teachmatters.analyses.tasks.probe_specs import DENSE, LINEAR
from teachmatters.analyses.tasks.task_specs import TASK_ANALYSES
from teachmatters.api import AnalysisSpec
from teachmatters.hookspecs import hookimpl


@hookimpl
def register_analyses() -> list[AnalysisSpec]:
    """Return the built-in analyses."""
    similarity = [CKA, SIMILARITY, RESIDUAL, RANK, POSITION]
    return [ATTENTION, ATTENTION_IOU, ARTEFACTS, *similarity, *CLUSTER_ANALYSES, LINEAR, DENSE, *TASK_ANALYSES]
