"""What the built-in analyses measure. Cheap to read: nothing here imports torch."""

from __future__ import annotations

from teachmatters.analyses.mask_specs import ARTEFACTS, ATTENTION_IOU
from teachmatters.analyses.similarity_specs import CKA, RANK, RESIDUAL
from teachmatters.analyses.task_specs import TASK_ANALYSES
from teachmatters.api import AnalysisSpec, MetricSpec, Parameter
from teachmatters.hookspecs import hookimpl

ATTENTION = AnalysisSpec(
    name="attention",
    summary="Where each head of each layer looks.",
    factory="teachmatters.analyses.attention:AttentionAnalysis",
    kind="pictures",
    metrics=(
        MetricSpec(
            name="attn-distance",
            title="attention distance",
            summary="Mean distance from a patch to the patches it attends to; 1 is the longer side of the picture.",
            unit="picture side",
            bounds=(0.0, 2**0.5),
            level="head",
            source="Dosovitskiy et al. 2021; Raghu et al. 2021",
        ),
    ),
    paper_data=("imagenet50",),
    suites=("how", "paper"),
)

_VOTE = "A weighted vote of the k nearest class tokens names the class of a picture {}; headline k = 20."

KNN = AnalysisSpec(
    name="knn",
    summary="How well the class token of each layer tells classes apart, without any training.",
    factory="teachmatters.analyses.knn:KnnAnalysis",
    kind="labels",
    metrics=tuple(
        MetricSpec(
            name=f"knn-top{n}",
            title=f"k-NN top-{n} accuracy",
            summary=_VOTE.format(rule),
            unit="percent",
            higher_is_better=True,
            bounds=(0.0, 100.0),
            level="category",
            needs_class_token=True,
            source="Wu et al. 2018; Caron et al. 2021",
        )
        for n, rule in ((1, "at once"), (5, "among its first five"))
    ),
    parameters=(
        Parameter(name="k", kind="ints", default=(10, 20, 100, 200), summary="numbers of neighbours", minimum=1),
        Parameter(name="temperature", kind="float", default=0.07, summary="of the votes", minimum=1e-3, maximum=1e3),
    ),
    paper_data=("imagenet",),
    suites=("why", "paper"),
)


@hookimpl
def register_analyses() -> list[AnalysisSpec]:
    """The built-in analyses."""
    return [ATTENTION, ATTENTION_IOU, ARTEFACTS, KNN, *TASK_ANALYSES, CKA, RESIDUAL, RANK]
