"""The k nearest neighbours by cosine, and their weighted vote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.measures.moments import accumulator

QUERIES_AT_ONCE = 4096
# Columns whose maximum is taken first, in a search among many more of them than neighbours.
PIECE = 64


def chance(truth: Tensor, labels: Tensor, top: int) -> Tensor:
    """Compute the probability that random classes of the gallery contain that of each query.

    Args:
        truth: (Q,), the classes of the queries.
        labels: (G,), the classes of the gallery, at least one.
        top: the number of classes drawn, each once.

    Returns:
        (Q,), 0 to 1: 0 for a class that the gallery lacks.

    >>> chance(torch.tensor([0, 7]), torch.tensor([0, 0, 1, 2, 3]), top=1).tolist()
    [0.25, 0.0]
    """
    classes = torch.tensor(sorted(set(labels.tolist())), dtype=labels.dtype, device=labels.device)
    return torch.isin(truth, classes).to(accumulator(truth.device)) * min(1.0, top / len(classes))


def nearest(queries: Tensor, gallery: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Find the k gallery vectors most similar to each query.

    Args:
        queries: (Q, D), any float.
        gallery: blocks (n, D), read once, in order; together at least k vectors.
        k: at least 1.

    Returns:
        similarities (Q, k), float32, descending; and gallery indices (Q, k), int64. Of equal similarities, the lower
        index comes first, also at the cut after k.

    >>> similarity, index = nearest(torch.eye(2), [torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])], k=2)
    >>> index.tolist()
    [[0, 2], [1, 0]]
    """
    unit = normalize(queries.float(), dim=1)
    best = unit.new_empty(len(unit), 0), torch.empty(len(unit), 0, dtype=torch.int64, device=unit.device)
    start = 0
    for block in gallery:
        others = normalize(block.to(unit.device).float(), dim=1)
        found = [_top_of_pieces(part @ others.T, k) for part in torch.split(unit, QUERIES_AT_ONCE)]
        similarity = torch.cat([best[0], *_columns(found, 0)], dim=1)
        index = torch.cat([best[1], *(part + start for part in _columns(found, 1))], dim=1)
        # Earlier blocks come first and have lower indices, so a stable sort keeps the order of ties.
        order = similarity.sort(dim=1, descending=True, stable=True).indices[:, :k]
        best = similarity.gather(1, order), index.gather(1, order)
        start += len(others)
    return best


def _columns(found: list[tuple[Tensor, Tensor]], which: int) -> list[Tensor]:
    return [torch.cat([pair[which] for pair in found])] if found else []


def _top_of_pieces(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return _top, but look only into the k pieces with the largest maxima, which hold the k largest values.

    Of equal maxima the earlier piece is taken, and of equal values the one in the earlier piece: also with ties, every
    value in a piece that is left out has k values before it.
    """
    count = similarity.shape[1]
    whole = count // PIECE * PIECE
    if whole < 4 * PIECE * k:
        return _top(similarity, k)
    _, pieces = _top(similarity[:, :whole].view(len(similarity), -1, PIECE).amax(dim=2), k)
    within = torch.arange(PIECE, device=similarity.device)
    columns = (pieces.sort(dim=1).values[:, :, None] * PIECE + within).flatten(1)
    rest = torch.arange(whole, count, device=similarity.device).expand(len(columns), -1)
    columns = torch.cat([columns, rest], dim=1)
    values, place = _top(similarity.gather(1, columns), k)
    return values, columns.gather(1, place)


def _top(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return torch.topk, but with the lower indices first among equal values."""
    count = similarity.shape[1]
    values, index = similarity.topk(min(k + 1, count), dim=1)
    if count > k:
        cut_through_ties = values[:, k - 1] == values[:, k]
        values, index = values[:, :k].clone(), index[:, :k].clone()
        if cut_through_ties.any():
            tied = similarity[cut_through_ties].sort(dim=1, descending=True, stable=True)
            values[cut_through_ties], index[cut_through_ties] = tied.values[:, :k], tied.indices[:, :k]
    index, order = index.sort(dim=1)
    values, by_value = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values, index.gather(1, by_value)


def rank_of_truth(
    similarity: Tensor, labels: Tensor, truth: Tensor, classes: int, ks: Sequence[int], temperature: float
) -> dict[int, Tensor]:
    """Compute the rank of the true class in the vote of the k nearest, for several k at once.

    Each neighbour votes for its class with exp(similarity / temperature); a query is correct at top-1 when its
    rank is 0, at top-5 when it is below 5. Of classes with equal votes, the lower one comes first.

    Args:
        similarity: (Q, K), descending.
        labels: (Q, K) classes of the neighbours, int64.
        truth: (Q,) classes of the queries.
        classes: the number of classes.
        ks: the values of k, each at most K.
        temperature: above 0.

    Returns:
        k -> ranks (Q,), int64, from 0 to classes - 1.

    Source:
        Wu et al. 2018, "Unsupervised feature learning via non-parametric instance discrimination".

    >>> similarity, labels = torch.tensor([[0.9, 0.8, 0.8]]), torch.tensor([[0, 1, 1]])
    >>> ranks = rank_of_truth(similarity, labels, torch.tensor([1]), 2, [1, 3], temperature=1.0)
    >>> {k: rank.tolist() for k, rank in ranks.items()}
    {1: [1], 3: [0]}
    """
    parts = zip(
        torch.split(similarity, QUERIES_AT_ONCE),
        torch.split(labels, QUERIES_AT_ONCE),
        torch.split(truth, QUERIES_AT_ONCE),
        strict=True,
    )
    found = [_ranks(*part, classes, sorted(ks), temperature) for part in parts]
    return {k: torch.cat([part[k] for part in found]) for k in ks}


def _ranks(
    similarity: Tensor, labels: Tensor, truth: Tensor, classes: int, ks: Sequence[int], temperature: float
) -> dict[int, Tensor]:
    similarity = similarity.to(accumulator(similarity.device))
    # Weights relative to the nearest neighbour do not overflow, and a common factor does not change the order.
    weight = ((similarity - similarity[:, :1]) / temperature).exp()
    votes = weight.new_zeros(len(truth), classes)
    lower = torch.arange(classes, device=truth.device)[None] < truth[:, None]
    ranks, counted = {}, 0
    for k in ks:
        votes.scatter_add_(1, labels[:, counted:k], weight[:, counted:k])
        own = votes.gather(1, truth[:, None])
        ranks[k] = ((votes > own) | ((votes == own) & lower)).sum(dim=1)
        counted = k
    return ranks
