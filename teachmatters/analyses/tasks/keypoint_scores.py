"""Shares of correct keypoints from distances, by both protocols and every category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from teachmatters.analyses.scores import mean_record, unit_map
from teachmatters.api import Pair, Record, Result, State
from teachmatters.measures.tasks.pck import correct, share_by

ALPHAS: Mapping[str, float] = {"pck-0.10": 0.10, "pck-0.05": 0.05, "pck-0.01": 0.01}
PAPER, OFFICIAL = "paper", "official"

Hits: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Keypoints:
    """All keypoints: the numbers of their pair and category, and a mask for each restriction."""

    pair: NDArray[np.int64]
    category: NDArray[np.int64]
    where: Mapping[str, Hits]


def score(state: State, pairs: Mapping[int, Pair], keys: Sequence[str], metrics: frozenset[str]) -> Result:
    """Compute the requested metrics from the distances of all keypoints.

    Args:
        state: ``pair`` (n,), ``size`` (n,) and ``distance`` (layers, n).
        pairs: the pairs by number.
        keys: the keys of the items that pairs refer to.
        metrics: the metrics to record.
    """
    pair, size, distance = (np.asarray(state[name]) for name in ("pair", "size", "distance"))
    result, points = Result(), _keypoints(pair, pairs)
    if not len(pair):
        return result
    units = tuple(_name(number, pairs[number], keys) for number in np.unique(pair).tolist())
    for metric, alpha in ALPHAS.items():
        if metric in metrics:
            paper, official = (correct(distance, size, alpha, inclusive=inclusive) for inclusive in (False, True))
            result.records += [*_paper(metric, paper, points), *_official(metric, official, points)]
            for layer, scores in enumerate(share_by(official, pair), start=1):
                result.maps.append(unit_map(metric, layer, 100 * scores, units))
    return result


def _name(number: int, pair: Pair, keys: Sequence[str]) -> str:
    source, target = (PurePosixPath(keys[image]).stem for image in (pair.source, pair.target))
    return f"{number:06d}-{source}-{target}:{pair.category}"


def _keypoints(number: NDArray[np.int64], pairs: Mapping[int, Pair]) -> _Keypoints:
    categories = sorted({pair.category for pair in pairs.values()})
    mine = [pairs[each] for each in number.tolist()]
    category = np.array([categories.index(pair.category) for pair in mine], dtype=np.int64)
    where = {name: category == place for place, name in enumerate(categories)}
    for name, grade in sorted({fact for pair in pairs.values() for fact in pair.difficulty.items()}):
        where[f"{name}={grade}"] = np.array([pair.difficulty.get(name) == grade for pair in mine], dtype=bool)
    return _Keypoints(number, category, {name: mask for name, mask in where.items() if mask.any()})


def _paper(metric: str, hits: Hits, points: _Keypoints) -> Iterator[Record]:
    """Yield the records of the protocol ``paper``: the mean over keypoints of a category, then over categories."""
    for name, mask in {"": np.ones(len(points.pair), bool), **points.where}.items():
        shares = share_by(hits[:, mask], points.category[mask])
        pooled = name and shares.shape[1] == 1  # for one category, std is over its keypoints
        yield from _records(metric, PAPER, name, hits[:, mask].astype(float) if pooled else shares)


def _official(metric: str, hits: Hits, points: _Keypoints) -> Iterator[Record]:
    """Yield the records of the protocol ``official``: the mean over keypoints of a pair, then over pairs."""
    for name, mask in {"": np.ones(len(points.pair), bool), **points.where}.items():
        yield from _records(metric, OFFICIAL, name, share_by(hits[:, mask], points.pair[mask]))


def _records(metric: str, protocol: str, category: str, shares: NDArray[np.float64]) -> Iterator[Record]:
    """Yield one record per layer from (layers, units)."""
    for layer, row in enumerate(100 * shares, start=1):
        yield mean_record(metric, layer, row, category=category, protocol=protocol)
