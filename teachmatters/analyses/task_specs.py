"""What the analyses of the tasks measure: retrieval, videos and keypoints. Nothing here imports torch."""

from __future__ import annotations

from teachmatters.api import AnalysisSpec, MetricSpec, Parameter

_POSITIVES = {"easy": "easy pictures", "medium": "easy and hard pictures", "hard": "hard pictures"}

RETRIEVAL = AnalysisSpec(
    name="retrieval",
    summary="How well the class token of each layer finds other pictures of the same thing.",
    factory="teachmatters.analyses.retrieval:RetrievalAnalysis",
    kind="retrieval",
    metrics=(
        *(
            MetricSpec(
                name=f"map-{level}",
                title=f"retrieval mAP, {level}",
                summary=f"Mean over queries of the average precision with which {positives} are ranked by cosine.",
                unit="percent",
                higher_is_better=True,
                bounds=(0.0, 100.0),
                needs_class_token=True,
                source="Radenovic et al. 2018",
            )
            for level, positives in _POSITIVES.items()
        ),
        *(
            MetricSpec(
                name=f"mp-{level}",
                title=f"retrieval mP@10, {level}",
                summary=f"Mean over queries of the share of {positives} among the first ten; also at 1 and 5.",
                unit="percent",
                higher_is_better=True,
                bounds=(0.0, 100.0),
                level="category",
                needs_class_token=True,
                source="Radenovic et al. 2018",
            )
            for level, positives in _POSITIVES.items()
        ),
    ),
    parameters=(Parameter(name="crop_queries", kind="bool", default=False, summary="cut queries to their box first"),),
    default_data="scenes",
    paper_data=("roxford5k", "rparis6k"),
    suites=("why", "paper"),
)

KEYPOINTS = AnalysisSpec(
    name="keypoints",
    summary="How well the patches of each layer find the same point on another object of the same category.",
    factory="teachmatters.analyses.keypoints:KeypointsAnalysis",
    kind="pairs",
    metrics=tuple(
        MetricSpec(
            name=f"pck-{alpha}",
            title=f"PCK at {alpha}",
            summary=f"Share of keypoints found within {alpha} of the longer side of the target's box.",
            unit="percent",
            higher_is_better=True,
            bounds=(0.0, 100.0),
            level="category",
            protocols=("paper", "official"),
            source="Min et al. 2019",
        )
        for alpha in ("0.10", "0.05", "0.01")
    ),
    parameters=(
        Parameter(
            name="pairs_per_category", kind="int", default=None, minimum=1, summary="a seeded sample; all by default"
        ),
    ),
    default_data="scenes",
    paper_data=("spair",),
    suites=("why", "paper"),
)

TASK_ANALYSES = (RETRIEVAL, KEYPOINTS)
