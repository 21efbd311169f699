"""Linear probes: which items are held out, how a strength of the penalty is chosen, and the rank of the true class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachmatters.measures.ridge import RidgeFit, RidgeSums, ridge
from teachmatters.measures.tasks.logistic import LogisticFit, fit_logistic

HELD_OUT = 10


def nth_of_class(labels: Tensor) -> Tensor:
    """Count each item among those of its class, in order.

    Args:
        labels: (n,), int64, at least 0.

    Returns:
        (n,), int64, from 1.

    >>> nth_of_class(torch.tensor([0, 2, 0, 0, 2])).tolist()
    [1, 1, 2, 3, 2]
    """
    order = labels.argsort(stable=True)
    counts = labels.bincount()
    starts = counts.cumsum(0) - counts
    nth = torch.empty_like(order)
    nth[order] = torch.arange(1, len(labels) + 1, device=labels.device) - starts[labels[order]]
    return nth


def held_out(labels: Tensor) -> Tensor:
    """Mark the 10th, 20th, ... item of each class, in order: bool (n,).

    >>> held_out(torch.tensor([0] * 12 + [1] * 9)).nonzero().tolist()
    [[9]]
    """
    return nth_of_class(labels) % HELD_OUT == 0


def default_value(values: Sequence[float], usual: float) -> float:
    """Return the value to use where none can be chosen: the usual one, or the lower middle of the list.

    >>> default_value((0.01, 1, 100), 1), default_value((2, 8, 4, 6), 1)
    (1, 4)
    """
    return usual if usual in values else sorted(values)[(len(values) - 1) // 2]


def best_value(values: Sequence[float], accuracy: Callable[[float], float]) -> float:
    """Return the value with the highest accuracy; of ties, the first.

    >>> best_value((1, 2, 3), lambda value: min(value, 2))
    2
    """
    scores = [accuracy(value) for value in values]
    return values[scores.index(max(scores))]


def rank_of_class(scores: Tensor, truth: Tensor) -> Tensor:
    """Compute the rank of the true class; of classes with equal scores, the lower one comes first.

    Args:
        scores: (n, K).
        truth: (n,), int64; -1 for a class without a score.

    Returns:
        (n,), int64, from 0; K for a class without a score.

    >>> rank_of_class(torch.tensor([[0.2, 0.5, 0.5]]).expand(4, 3), torch.tensor([0, 1, 2, -1])).tolist()
    [2, 0, 1, 3]
    """
    own = scores.gather(1, truth.clamp(min=0)[:, None])
    lower = torch.arange(scores.shape[1], device=scores.device)[None] < truth[:, None]
    ranks = ((scores > own) | ((scores == own) & lower)).sum(dim=1)
    return torch.where(truth < 0, scores.shape[1], ranks)


def one_hot_sums(features: Tensor, labels: Tensor, classes: int, rows: int = 4096) -> RidgeSums | None:
    """Compute the sums for a ridge regression of one-hot labels, in blocks of rows; None of no items.

    Args:
        features: (n, D), any float.
        labels: (n,), int64, below ``classes``.
        classes: the number of targets.
        rows: how many rows are expanded to one-hot targets at a time.

    >>> one_hot_sums(torch.eye(2), torch.tensor([0, 1]), 3).target_mean.tolist()
    [0.5, 0.5, 0.0]
    """
    total: RidgeSums | None = None
    for part, of in zip(torch.split(features, rows), torch.split(labels, rows), strict=True):
        if len(part):
            sums = RidgeSums.of(part, torch.nn.functional.one_hot(of, classes))
            total = sums if total is None else total + sums
    return total


def regularisation_path(
    features: Tensor, labels: Tensor, classes: int, cs: Sequence[float]
) -> dict[float, LogisticFit]:
    """Fit logistic regressions for several C, from small to large, each from the weights of the one before.

    Args:
        features: (n, D).
        labels: (n,), int64, below ``classes``.
        classes: the number of classes.
        cs: the values of C, in any order.

    Returns:
        the fits by C, ascending.
    """
    fits: dict[float, LogisticFit] = {}
    start: Tensor | None = None
    for c in sorted(cs):
        fits[c] = fit_logistic(features, labels, classes, c, start)
        start = fits[c].weights
    return fits


@dataclass(frozen=True, slots=True)
class Gallery:
    """The items that a probe is fitted on.

    Attributes:
        features: (n, D), any float.
        labels: (n,), int64, below ``classes``.
        classes: the number of classes.
        held: bool (n,), the items that choose the strength of the penalty; none to choose nothing.
    """

    features: Tensor
    labels: Tensor
    classes: int
    held: Tensor

    def accuracy(self, scores: Tensor) -> float:
        """Return the share of held-out items whose class has the highest score."""
        return float((rank_of_class(scores, self.labels[self.held]) == 0).float().mean())


def fit_ridge_probe(gallery: Gallery, penalties: Sequence[float]) -> tuple[float, RidgeFit]:
    """Choose a penalty on the held-out items, and fit one-hot labels with it on the whole gallery.

    Args:
        gallery: the items.
        penalties: in units of the mean variance of a feature. The largest of the best is chosen; without held-out
            items or a choice, 0.01, or the lower middle.

    Returns:
        the penalty, and the fit.
    """
    parts = [
        one_hot_sums(gallery.features[mask], gallery.labels[mask], gallery.classes)
        for mask in (~gallery.held, gallery.held)
    ]
    rest, held = parts
    assert rest is not None, "nine of ten items of a class are not held out"
    chosen = default_value(penalties, 1e-2)
    if held is not None and len(penalties) > 1:
        unseen = gallery.features[gallery.held]
        ordered = sorted(penalties, reverse=True)
        chosen = best_value(ordered, lambda penalty: gallery.accuracy(ridge(rest, penalty).predict(unseen)))
    return chosen, ridge(rest if held is None else rest + held, chosen)


def fit_logistic_probe(gallery: Gallery, cs: Sequence[float]) -> tuple[float, LogisticFit]:
    """Choose C on the held-out items, and fit a logistic regression with it on the whole gallery.

    Args:
        gallery: the items.
        cs: the values of C. The smallest of the best is chosen; without held-out items or a choice, 1, or the lower
            middle.

    Returns:
        C, and the fit.
    """
    chosen, start = default_value(cs, 1.0), None
    if gallery.held.any() and len(cs) > 1:
        rest, unseen = ~gallery.held, gallery.features[gallery.held]
        path = regularisation_path(gallery.features[rest], gallery.labels[rest], gallery.classes, cs)
        chosen = best_value(sorted(cs), lambda c: gallery.accuracy(path[c].scores(unseen)))
        start = path[chosen].weights
    return chosen, fit_logistic(gallery.features, gallery.labels, gallery.classes, chosen, start)
