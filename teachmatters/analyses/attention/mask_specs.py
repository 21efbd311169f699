"""The specs of attention-iou and artefacts. They do not import torch."""

from __future__ import annotations

from teachmatters.api import SHORT_SIDE, AnalysisSpec, Level, MetricSpec, Parameter

_READERS = (
    ("cls", "the class token", True),
    ("spatial", "all patches together", False),
    ("center", "the patch in the middle", False),
)
_WAYS: tuple[tuple[str, str, str, Level], ...] = (
    ("", "", "Overlap of objects with the heaviest patches of {}; mean over heads.", "head"),
    ("-merged", ", heads merged", "Overlap of objects with the heaviest patches of {}, all heads summed.", "layer"),
    ("-best", ", best head", "Overlap of objects with the heaviest patches of {}, each image's best head.", "layer"),
    ("-chance", ", by chance", "Expected IoU of as many random patches as the heaviest ones of {}.", "head"),
)

ATTENTION_IOU = AnalysisSpec(
    name="attention-iou",
    summary="How well the patches that a head attends to most cover the objects in the image.",
    factory="teachmatters.analyses.attention.attention_iou:AttentionIoUAnalysis",
    kind="masks",
    stand_in="parts",
    metrics=tuple(
        MetricSpec(
            name=f"attn-iou-{reader}{suffix}",
            title=f"IoU of {who}{way}",
            summary=summary.format(who),
            unit="",
            higher_is_better=None if suffix == "-chance" else True,
            bounds=(0.0, 1.0),
            level=level,
            needs_class_token=needs_class_token,
            source="" if suffix == "-chance" else "Caron et al. 2021; Walmer et al. 2023",
        )
        for reader, who, needs_class_token in _READERS
        for suffix, way, summary, level in _WAYS
    ),
    parameters=(
        Parameter(
            name="mass",
            kind="float",
            default=0.6,
            summary="share of the attention that the predicted mask holds",
            minimum=0.01,
            maximum=1.0,
        ),
        SHORT_SIDE,
    ),
    default_data="scenes",
    paper_data=("coco", "partimagenet"),
    suites=("how", "paper"),
)

ARTEFACTS = AnalysisSpec(
    name="artefacts",
    summary="Patches whose tokens have an unusually large norm, which registers remove.",
    factory="teachmatters.analyses.attention.artefacts:ArtefactsAnalysis",
    kind="images",
    metrics=(
        MetricSpec(
            name="artefact-share",
            title="share of artefacts",
            summary="Share of patches whose token is longer than `factor` times the median of their image.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 1.0),
            source="Darcet et al. 2024",
        ),
        MetricSpec(
            name="artefact-mass",
            title="attention on artefacts",
            summary="Share of attention that patches of the next block give to a block's artefacts.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, 1.0),
            source="Darcet et al. 2024",
        ),
        MetricSpec(
            name="patch-norm",
            title="norm of patch tokens",
            summary="Mean L2 norm of a block's patch tokens; categories: quantiles, class token, registers.",
            unit="",
            higher_is_better=None,
            bounds=(0.0, None),
            level="category",
            source="Darcet et al. 2024",
        ),
    ),
    parameters=(
        Parameter(
            name="factor", kind="float", default=3.0, summary="multiple of the median norm of the image", minimum=1.0
        ),
        SHORT_SIDE,
    ),
    paper_data=("imagenet50",),
    suites=("how",),
)
