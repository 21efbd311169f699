"""The specs of the cluster analyses. They do not import torch."""

from __future__ import annotations

from teachmatters.api import NORM, SHORT_SIDE, TAP, AnalysisSpec, Kind, MetricSpec, Parameter

_SCORES = (
    (
        "purity",
        "purity",
        "Share of {} that are of the most frequent class of their k-means cluster, by {}.",
        (0.0, 1.0),
        "Manning et al. 2008",
    ),
    (
        "nmi",
        "NMI",
        "Normalised mutual information of classes and k-means clusters of {}, by {}.",
        (0.0, 1.0),
        "Strehl and Ghosh 2002",
    ),
    (
        "ari",
        "ARI",
        "Adjusted Rand index of classes and k-means clusters of {}, by {}; 0 by chance.",
        (-0.5, 1.0),
        "Hubert and Arabie 1985",
    ),
)


def _metrics(of: str, title: str, words: tuple[str, str], kind: Kind | None = None) -> tuple[MetricSpec, ...]:
    return tuple(
        MetricSpec(
            name=f"{score}-{of}",
            title=f"{score_title}, {title}",
            summary=summary.format(*words),
            unit="",
            higher_is_better=True,
            bounds=bounds,
            kind=kind,
            needs_class_token=of == "cls",
            source=source,
        )
        for score, score_title, summary, bounds, source in _SCORES
    )


_CLUSTERS = Parameter(
    name="clusters",
    kind="int",
    default=None,
    summary="clusters of k-means: 50 on imagenet50, 80 on coco and partimagenet, else the number of labels present",
    minimum=2,
    default_for={"imagenet50": 50, "coco": 80, "partimagenet": 80},
)

CLUSTERING = AnalysisSpec(
    name="clustering",
    summary="Whether images of one class form clusters, without any training.",
    factory="teachmatters.analyses.representation.clustering:ClusteringAnalysis",
    kind="labels",
    metrics=(
        *_metrics("cls", "class token", ("images", "class token")),
        *_metrics("spatial", "spatial tokens", ("images", "mean spatial token")),
    ),
    parameters=(_CLUSTERS, TAP, NORM, SHORT_SIDE),
    paper_data=("imagenet50",),
    suites=("what", "paper"),
)

SEGMENT_CLUSTERING = AnalysisSpec(
    name="segment-clustering",
    summary="Whether objects, or parts of objects, of one category form clusters.",
    factory="teachmatters.analyses.representation.segment_clustering:SegmentClusteringAnalysis",
    kind="masks",
    metrics=(
        *_metrics("object", "objects", ("objects", "the mean of the spatial tokens that they fill")),
        *_metrics("part", "parts", ("parts of objects", "the mean of the spatial tokens that they fill"), "parts"),
    ),
    parameters=(
        _CLUSTERS,
        Parameter(
            name="resolution",
            kind="str",
            default="crop",
            choices=("crop", "dense"),
            summary="how images are read: crop, or dense (twice the size, in windows)",
        ),
        TAP,
        NORM,
        SHORT_SIDE,
    ),
    paper_data=("coco", "partimagenet"),
    suites=("what", "paper"),
)

CLUSTER_ANALYSES = (CLUSTERING, SEGMENT_CLUSTERING)
