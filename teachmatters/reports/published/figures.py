"""Accuracies on ImageNet that the authors of models publish, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

DINO = "README of github.com/facebookresearch/dino"
DINOV2 = "README of github.com/facebookresearch/dinov2"


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One published number.

    Attributes:
        model: the name of the model here.
        metric: ``knn-top1`` or ``linear-top1``, in percent on ImageNet's validation set.
        value: in percent.
        source: where the number is published.
    """

    model: str
    metric: str
    value: float
    source: str


# model, k-NN top-1, linear top-1, source
_TABLE = (
    ("dino-s16", 74.5, 77.0, DINO),
    ("dino-s8", 78.3, 79.7, DINO),
    ("dino-b16", 76.1, 78.2, DINO),
    ("dino-b8", 77.4, 80.1, DINO),
    ("dinov2-s14", 79.0, 81.1, DINOV2),
    ("dinov2-s14-reg", 79.1, 80.9, DINOV2),
    ("dinov2-b14", 82.1, 84.5, DINOV2),
    ("dinov2-b14-reg", 82.0, 84.6, DINOV2),
    ("dinov2-l14", 83.5, 86.3, DINOV2),
    ("dinov2-l14-reg", 83.8, 86.7, DINOV2),
    ("dinov2-g14", 83.5, 86.5, DINOV2),
    ("dinov2-g14-reg", 83.7, 87.1, DINOV2),
)

PUBLISHED = {
    (model, metric): PublishedFigure(model, metric, value, source)
    for model, knn, linear, source in _TABLE
    for metric, value in (("knn-top1", knn), ("linear-top1", linear))
}
