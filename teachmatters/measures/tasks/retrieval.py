"""Image retrieval: the ranking of the gallery, its average precision, and its precision at k."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.measures.moments import accumulator

# Places of rankings that are sorted or scored at a time: some 40 bytes each.
RANKED_AT_ONCE = 2**23


def ranking(queries: Tensor, gallery: Iterable[Tensor]) -> Tensor:
    """Rank the gallery by cosine to each query, most similar first.

    Args:
        queries: (Q, D), any float.
        gallery: blocks (n, D), read once, in order; together G vectors.

    Returns:
        gallery indices (Q, G), int64; of equal similarities, the lower index comes first.

    >>> ranking(torch.tensor([[1.0, 0.0]]), [torch.tensor([[0.0, 2.0], [3.0, 3.0], [0.5, 0.0]])]).tolist()
    [[2, 1, 0]]
    """
    unit = normalize(queries.float(), dim=1)
    blocks = [unit @ normalize(block.float(), dim=1).T for block in gallery]
    cosines = torch.cat([unit.new_empty(len(unit), 0), *blocks], dim=1)
    return torch.cat([rows.argsort(dim=1, descending=True, stable=True) for rows in _parts(cosines)])


def average_precision(order: Tensor, positive: Tensor, junk: Tensor) -> Tensor:
    """Compute the area under each query's precision-recall curve by trapezoids, with junk removed from the ranking.

    The j-th positive (from 0) at rank r (from 0, junk removed) adds ((j / r, or 1 when r = 0) + (j + 1) / (r + 1)) / 2,
    divided by the number of positives.

    Args:
        order: (Q, G) from ``ranking``.
        positive: (Q, G) bool, by gallery index.
        junk: (Q, G) bool; an image that is both counts as positive.

    Returns:
        (Q,) between 0 and 1, NaN for a query without positives.

    Source:
        Philbin et al. 2007; Radenovic et al. 2018, "Revisiting Oxford and Paris".

    >>> order, nothing = torch.tensor([[0, 1, 2]]), torch.zeros(1, 3, dtype=torch.bool)
    >>> average_precision(order, torch.tensor([[False, True, False]]), nothing).item()
    0.25
    """
    parts = zip(_parts(order), _parts(positive), _parts(junk), strict=True)
    return torch.cat([_areas(*part) for part in parts])


def chance_precision(positive: Tensor, junk: Tensor) -> Tensor:
    """Compute the expected average precision of each query if the gallery is ranked at random.

    Of N ranked images, R are positive. A positive at rank r (from 1) has (r - 1) (R - 1) / (N - 1) others before it on
    average, so ``average_precision`` has the expectation (R / N + (H + (R - 1) / (N - 1) (N - H)) / N) / 2, where
    H = 1 + 1/2 + ... + 1/N.

    Args:
        positive: as for ``average_precision``.
        junk: as for ``average_precision``.

    Returns:
        (Q,), float64 on the CPU, between 0 and 1; NaN for a query without positives.

    >>> chance_precision(torch.tensor([[False, True]]), torch.zeros(1, 2, dtype=torch.bool)).item()
    0.625
    """
    whole = (positive | ~junk).sum(dim=1).cpu().double()
    hits = torch.where(positive.any(dim=1).cpu(), positive.sum(dim=1).cpu().double(), torch.nan)
    harmonic = (1 / torch.arange(1, positive.shape[1] + 1, dtype=torch.float64)).cumsum(dim=0)
    sums = harmonic[whole.long().clamp(min=1) - 1]
    others = (hits - 1) / (whole - 1).clamp(min=1)
    return (hits / whole + (sums + others * (whole - sums)) / whole) / 2


def precision_at(order: Tensor, positive: Tensor, junk: Tensor, ks: Sequence[int]) -> dict[int, Tensor]:
    """Compute the share of positives among the first c = min(k, rank from 1 of the last positive), without junk.

    Args:
        order: as for ``average_precision``.
        positive: as for ``average_precision``.
        junk: as for ``average_precision``.
        ks: the values of k, each at least 1.

    Returns:
        k -> (Q,) between 0 and 1, NaN for a query without positives.

    >>> order, nothing = torch.tensor([[2, 1, 0]]), torch.zeros(1, 3, dtype=torch.bool)
    >>> precision_at(order, torch.tensor([[False, True, False]]), nothing, [1, 10])
    {1: tensor([0.], dtype=torch.float64), 10: tensor([0.5000], dtype=torch.float64)}
    """
    parts = zip(_parts(order), _parts(positive), _parts(junk), strict=True)
    found = [_precisions(*part, ks) for part in parts]
    return {k: torch.cat([part[k] for part in found]) for k in ks}


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Split the rows of queries so that intermediate results, which are as large, fit into memory."""
    return torch.split(rows, max(1, RANKED_AT_ONCE // max(1, rows.shape[1])))


def _areas(order: Tensor, positive: Tensor, junk: Tensor) -> Tensor:
    hit, rank = _ranked(order, positive, junk)
    earlier = hit.cumsum(dim=1).to(accumulator(order.device)) - 1
    left = torch.where(rank > 0, earlier / rank.clamp(min=1), 1.0)
    area = (left + (earlier + 1) / (rank + 1)) / 2
    return (area * hit).sum(dim=1) / hit.sum(dim=1)


def _precisions(order: Tensor, positive: Tensor, junk: Tensor, ks: Sequence[int]) -> dict[int, Tensor]:
    hit, rank = _ranked(order, positive, junk)
    last = torch.where(hit, rank + 1, 0).amax(dim=1, keepdim=True)  # 0 without positives: 0 / 0 below
    cuts = {k: last.clamp(max=k) for k in ks}
    number = accumulator(order.device)
    return {k: ((hit & (rank < cut)).sum(dim=1, dtype=number) / cut[:, 0].to(number)) for k, cut in cuts.items()}


def _ranked(order: Tensor, positive: Tensor, junk: Tensor) -> tuple[Tensor, Tensor]:
    """Return, along the ranking, whether each image is positive, and its rank from 0 with junk removed."""
    hit = positive.gather(1, order)
    kept = hit | ~junk.gather(1, order)
    return hit, (kept.cumsum(dim=1) - 1).clamp_(min=0)  # junk at the top would have rank -1
