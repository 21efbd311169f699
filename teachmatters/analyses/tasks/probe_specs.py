"""The specs of what is fitted on a gallery: linear and dense. They do not import torch."""

from __future__ import annotations

from teachmatters.api import FEATURE, NORM, SHORT_SIDE, TAP, AnalysisSpec, Level, MetricSpec, Parameter


def _percent(name: str, title: str, summary: str, source: str, level: Level = "layer") -> MetricSpec:
    return MetricSpec(
        name=name,
        title=title,
        summary=summary,
        unit="percent",
        higher_is_better=True,
        bounds=(0.0, 100.0),
        level=level,
        source=source,
    )


_PROBE = "A logistic regression, fitted on the gallery, names the class of an image {}."

LINEAR = AnalysisSpec(
    name="linear",
    summary="How well a linear map of each layer's image vectors tells classes apart.",
    factory="teachmatters.analyses.tasks.linear:LinearAnalysis",
    kind="labels",
    metrics=(
        _percent(
            "linear-top1", "linear probe top-1 accuracy", _PROBE.format("as its first choice"), "Alain and Bengio 2017"
        ),
        _percent(
            "linear-top5",
            "linear probe top-5 accuracy",
            _PROBE.format("among its first five"),
            "Alain and Bengio 2017",
        ),
        _percent(
            "ridge-top1",
            "ridge probe top-1 accuracy",
            "A ridge regression of one-hot labels, fitted on the gallery, names an image's class as its first choice.",
            "Hoerl and Kennard 1970",
        ),
    ),
    parameters=(
        Parameter(
            name="C",
            kind="floats",
            default=(0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
            minimum=1e-6,
            maximum=1e6,
            summary="inverse strengths of the penalty of the logistic regression, one of which is chosen",
        ),
        Parameter(
            name="ridge",
            kind="floats",
            default=(1e-6, 1e-4, 1e-2, 1.0),
            minimum=1e-9,
            maximum=1e6,
            summary="strengths of the penalty of the ridge regression, one of which is chosen",
        ),
        Parameter(
            name="shots", kind="int", default=None, minimum=1, summary="gallery images of each class; all by default"
        ),
        FEATURE,
        TAP,
        NORM,
        SHORT_SIDE,
    ),
    suites=("why",),
)

_PIXELS = "Mean over classes of the overlap of their pixels with those that {} name."

DENSE = AnalysisSpec(
    name="dense",
    summary="How well the patches of each layer tell the classes of pixels apart.",
    factory="teachmatters.analyses.tasks.dense:DenseAnalysis",
    kind="semantic",
    metrics=(
        _percent(
            "dense-knn-miou",
            "dense k-NN mIoU",
            _PIXELS.format("the labels of the nearest patches of the gallery"),
            "Balazevic et al. 2023",
            "category",
        ),
        _percent(
            "dense-ridge-miou",
            "dense ridge mIoU",
            _PIXELS.format("a ridge regression of the labels of the gallery's patches"),
            "Hoerl and Kennard 1970",
            "category",
        ),
    ),
    parameters=(
        Parameter(
            name="bank",
            kind="int",
            default=102400,
            minimum=1,
            summary="patches of the gallery among which neighbours are searched, equally many of each image",
        ),
        Parameter(name="neighbours", kind="int", default=30, minimum=1, summary="nearest patches that are averaged"),
        TAP,
        NORM,
    ),
    suites=("why",),
)
