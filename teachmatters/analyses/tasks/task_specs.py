"""The specs of the downstream tasks: k-NN, retrieval, video and keypoints. They do not import torch."""

from __future__ import annotations

from teachmatters.api import FEATURE, NORM, SHORT_SIDE, TAP, AnalysisSpec, MetricSpec, Parameter

_POSITIVES = {"easy": "easy images", "medium": "easy and hard images", "hard": "hard images"}

RETRIEVAL = AnalysisSpec(
    name="retrieval",
    summary="How well the image vectors of each layer find other images of the same thing.",
    factory="teachmatters.analyses.tasks.retrieval:RetrievalAnalysis",
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
                source="Radenovic et al. 2018",
            )
            for level, positives in _POSITIVES.items()
        ),
        *(
            MetricSpec(
                name=f"map-{level}-chance",
                title=f"retrieval mAP, {level}, by chance",
                summary=f"Mean over queries of the expected average precision of {positives} in a random ranking.",
                unit="percent",
                bounds=(0.0, 100.0),
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
                source="Radenovic et al. 2018",
            )
            for level, positives in _POSITIVES.items()
        ),
    ),
    parameters=(
        Parameter(
            name="crop_queries", kind="bool", default=False, summary="whether to crop queries to their box first"
        ),
        FEATURE,
        TAP,
        NORM,
    ),
    default_data="scenes",
    paper_data=("roxford5k", "rparis6k"),
    suites=("why", "paper"),
)

KEYPOINTS = AnalysisSpec(
    name="keypoints",
    summary="How well the patches of each layer find the same point on another object of the same category.",
    factory="teachmatters.analyses.tasks.keypoints:KeypointsAnalysis",
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
            name="pairs_per_category",
            kind="int",
            default=None,
            minimum=1,
            summary="size of a seeded sample; all by default",
        ),
        TAP,
        NORM,
    ),
    default_data="scenes",
    paper_data=("spair",),
    suites=("why", "paper"),
)

_DAVIS = {
    "j": ("region J", "Overlap of the objects' masks, spread from the first frame, with the true ones."),
    "f": ("boundary F", "Agreement of the outlines of the objects' masks, spread from the first frame."),
    "jf": ("J&F", "The mean of davis-j and davis-f."),
}

VIDEO = AnalysisSpec(
    name="video",
    summary="How well the patches of each layer follow objects from frame to frame.",
    factory="teachmatters.analyses.tasks.video:VideoAnalysis",
    kind="videos",
    version=2,  # version 2: gaps between the numbers of objects are kept
    metrics=tuple(
        MetricSpec(
            name=f"davis-{letter}",
            title=f"video segmentation {title}",
            summary=summary,
            unit="percent",
            higher_is_better=True,
            bounds=(0.0, 100.0),
            level="category",
            source="Pont-Tuset et al. 2017; Jabri et al. 2020; Caron et al. 2021",
        )
        for letter, (title, summary) in _DAVIS.items()
    )
    + tuple(
        MetricSpec(
            name=f"davis-{letter}-still",
            title=f"video segmentation {title}, unmoved",
            summary=f"davis-{letter} of the first frame's masks kept in place, on the same grid of patches.",
            unit="percent",
            bounds=(0.0, 100.0),
        )
        for letter, (title, _) in _DAVIS.items()
    ),
    parameters=(
        Parameter(
            name="resolution",
            kind="str",
            default="dense",
            choices=("dense", "resized"),
            summary="dense: windows over the frame at twice the size; resized: the frame resized to one input",
        ),
        Parameter(
            name="context",
            kind="int",
            default=7,
            minimum=1,
            maximum=1000,
            summary="previous frames in addition to the first",
        ),
        Parameter(
            name="radius",
            kind="int",
            default=12,
            minimum=0,
            summary="largest distance that a label may move, in patches",
        ),
        Parameter(
            name="top", kind="int", default=5, minimum=1, summary="number of patches that a label is averaged over"
        ),
        Parameter(
            name="temperature",
            kind="float",
            default=0.1,
            minimum=1e-3,
            maximum=1e3,
            summary="temperature of the weights",
        ),
        Parameter(name="save", kind="str", default=None, summary="folder for the masks", in_setting=False),
        TAP,
        NORM,
    ),
    default_data="scenes",
    paper_data=("davis",),
    suites=("why", "paper"),
)

_VOTE = "A weighted vote of the k nearest images names the class of an image {}; headline k = 20."

KNN = AnalysisSpec(
    name="knn",
    summary="How well the image vectors of each layer tell classes apart, without any training.",
    factory="teachmatters.analyses.tasks.knn:KnnAnalysis",
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
            source="Wu et al. 2018; Caron et al. 2021",
        )
        for n, rule in ((1, "as its first choice"), (5, "among its first five"))
    )
    + tuple(
        MetricSpec(
            name=f"knn-top{n}-chance",
            title=f"k-NN top-{n} accuracy, by chance",
            summary=f"Expected accuracy of {n} random {'class' if n == 1 else 'classes'} of the gallery.",
            unit="percent",
            bounds=(0.0, 100.0),
        )
        for n in (1, 5)
    ),
    parameters=(
        Parameter(name="k", kind="ints", default=(10, 20, 100, 200), summary="numbers of neighbours", minimum=1),
        Parameter(
            name="temperature",
            kind="float",
            default=0.07,
            summary="temperature of the votes",
            minimum=1e-3,
            maximum=1e3,
        ),
        FEATURE,
        TAP,
        NORM,
        SHORT_SIDE,
    ),
    paper_data=("imagenet",),
    suites=("why", "paper"),
)

TASK_ANALYSES = (KNN, RETRIEVAL, VIDEO, KEYPOINTS)
