"""The types of heads, by their aligned map.

A head that attends by position reaches over the same share of the image at any resolution, hence over more patches of
a finer grid. So squares and bands are measured in fourteenths of the grid's shorter side, which are the patches of a
14 x 14 grid, and cover patches in part; none is narrower than three patches of the grid itself.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats: TypeAlias = NDArray[np.float64]

TYPES = ("self", "strict-local", "soft-local", "offset-local", "axial-horizontal", "axial-vertical", "global")

# The types but global, in the order in which they are tried.
RULES = ("self", "axial-horizontal", "axial-vertical", "offset-local", "strict-local", "soft-local")

# A type is named after where most of the attention goes.
MOST = 0.5

# Half the widths of the tight square and of a band (three patches of a 14 x 14 grid) and of the soft square (eight), as
# shares of the shorter side; at least NEIGHBOURS, in patches: a patch and its neighbours.
TIGHT, SOFT = 1.5 / 14, 4 / 14
NEIGHBOURS = 1.5

# The query's own patch has this many times the mean of the others, however many there are; or most of the attention.
LIFT = 100.0

# A direction has this share of two that are compared: twice as much as the other.
PREFERRED = 2 / 3

# From half a patch on, another patch is nearer than the query's own.
ASIDE = 0.5

# The share of an offset head in the soft square. It is less than most, because queries near the edge do not have the
# region to one side at all; a head that attends evenly has a quarter in the square.
LOCAL = 0.4


@dataclass(frozen=True, slots=True)
class MapType:
    """The type of an aligned map.

    Attributes:
        name: one of TYPES.
        share: the attention in the region of the type, 0 to 1.
        margin: the distance to the nearest threshold behind which the type is another, 0 to 1.
        x, y: the centre of the attention in the soft square, in patches to the right of and below the query.
    """

    name: str
    share: float
    margin: float
    x: float
    y: float


def classify(aligned: Tensor) -> MapType:
    """Return the type of an aligned map.

    Args:
        aligned: (2h-1, 2w-1), on the CPU, with any positive sum.

    >>> import torch
    >>> one_to_the_right = torch.zeros(15, 15)
    >>> one_to_the_right[7, 8] = 3
    >>> classify(one_to_the_right)
    MapType(name='offset-local', share=1.0, margin=0.16666666666666663, x=1.0, y=0.0)
    """
    attention = _shares(aligned)
    side = (min(attention.shape) + 1) // 2
    tight, soft = (max(NEIGHBOURS, reach * side) for reach in (TIGHT, SOFT))
    in_tight, in_soft = float(_square(attention, tight).sum()), _square(attention, soft)
    row, column = _band(attention, tight), _band(attention.T, tight)
    own, around = float(attention[_middle(attention)]), float(in_soft.sum())
    x, y = _centre(in_soft)
    slack = {
        "self": min(own / in_tight - MOST, own - _own_share(attention)),
        "axial-horizontal": min(row - MOST, row / (row + column) - PREFERRED),
        "axial-vertical": min(column - MOST, column / (row + column) - PREFERRED),
        "offset-local": min(_one_sidedness(attention) - PREFERRED, (x * x + y * y) ** 0.5 - ASIDE, around - LOCAL),
        "strict-local": in_tight - MOST,
        "soft-local": around - MOST,
    }
    name, margin = _first(slack)
    shares = {"self": own, "axial-horizontal": row, "axial-vertical": column, "strict-local": in_tight}
    share = 1 - around if name == "global" else shares.get(name, around)
    return MapType(name, min(1.0, share), min(1.0, margin), x, y)


def agreement(first: Tensor, second: Tensor) -> float:
    """Return the mass that two aligned maps, each divided by its sum, have in common: 1 when they are equal.

    Args:
        first: (2h-1, 2w-1), on the CPU, with any positive sum, of one half of the images.
        second: the same of the other half.

    >>> import torch
    >>> agreement(torch.eye(3), 5 * torch.eye(3))
    1.0
    """
    return min(1.0, float(np.minimum(_shares(first), _shares(second)).sum()))


def _shares(aligned: Tensor) -> Floats:
    """Divide a map by its sum."""
    sums: Floats = aligned.double().numpy()
    total = sums.sum()
    shares: Floats = sums / total
    return shares


def _first(slack: Mapping[str, float]) -> tuple[str, float]:
    """Return the first type whose rule holds (global if none does), and the least change that would alter it.

    Args:
        slack: by type, the distance from the rule's nearest threshold, negative where the rule does not hold.
    """
    nearest = 1.0
    for name in RULES:
        if slack[name] >= 0:
            return name, min(nearest, slack[name])
        nearest = min(nearest, -slack[name])
    return "global", nearest


def _own_share(aligned: Floats) -> float:
    """Return the share from which on the query's own patch stands out, by the number of patches."""
    patches = int((aligned.shape[0] + 1) // 2 * ((aligned.shape[1] + 1) // 2))
    return min(MOST, LIFT / (LIFT + patches - 1))


def _one_sidedness(aligned: Floats) -> float:
    """Return the share of attention on the side of the centre of mass, of what is on either side.

    The sides are before and behind the query, seen towards the centre. Nearer than a patch counts in proportion.
    """
    x, y = _centre(aligned)
    down, right = _coordinates(aligned)
    ahead = ((down[:, None] * y + right * x) / max((x * x + y * y) ** 0.5, 1e-12)).clip(-1, 1)
    either = float((aligned * np.abs(ahead)).sum())
    return float((aligned * ahead.clip(0)).sum()) / either if either > 0 else 0.5


def _square(aligned: Floats, half: float) -> Floats:
    """Return the map within the square that holds the most, 0 outside; ``half`` is half its width in patches."""
    rows, columns = (_overlaps(count, half) for count in aligned.shape)
    shares = rows @ aligned @ columns.T
    y, x = divmod(int(shares.argmax()), shares.shape[1])
    within: Floats = rows[y][:, None] * aligned * columns[x]
    return within


def _band(aligned: Floats, half: float) -> float:
    """Return the share in the band of rows with the most attention; ``half`` is half its width in patches."""
    return float((_overlaps(len(aligned), half) @ aligned.sum(axis=1)).max())


@functools.lru_cache(maxsize=8)
def _overlaps(count: int, half: float) -> Floats:
    """Return how much of each patch in a line is within ``half`` of the middle of each, (middles, patches), 0 to 1."""
    places = np.arange(count, dtype=np.float64)
    overlaps = (half + 0.5 - np.abs(places - places[:, None])).clip(0, 1)
    overlaps.setflags(write=False)  # all callers get the same array
    return overlaps


def _centre(aligned: Floats) -> tuple[float, float]:
    """Return the centre of mass, in patches to the right of and below the query."""
    down, right = _coordinates(aligned)
    mass = aligned.sum()
    return float(aligned.sum(axis=0) @ right / mass), float(aligned.sum(axis=1) @ down / mass)


def _coordinates(aligned: Floats) -> tuple[Floats, Floats]:
    """Return each row's distance below the query, and each column's to its right."""
    y, x = _middle(aligned)
    down, right = (np.arange(count, dtype=np.float64) for count in aligned.shape)
    return down - y, right - x


def _middle(aligned: Floats) -> tuple[int, int]:
    """Return the row and column of the query."""
    return aligned.shape[0] // 2, aligned.shape[1] // 2
