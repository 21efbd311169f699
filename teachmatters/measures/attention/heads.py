"""The types of heads, by their aligned map.

A type states that at least half of a head's attention is in some region, so its strength is a share between a half and
one. The thresholds hold on any grid from 4 x 4 on: uniform attention has 4 % in the tight square, 20 % in a band and
19 % in the soft square of a 14 x 14 grid; 12 %, 34 % and 28 % on an 8 x 8 grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, avg_pool2d

TYPES = ("strict-local", "soft-local", "offset-local", "axial-horizontal", "axial-vertical", "global")

# A type is named after where most of the attention goes.
MOST = 0.5

# The reach of the tight square, in patches: a patch and its eight neighbours.
TIGHT = 1

# The reach of a band, in patches: a row (column) and its two neighbours.
BAND = 1

# An axial head has this many times as much attention in its best band as in the best band across: a round blob fills
# both equally, wherever it is.
ELONGATED = 2.0

# The distance of a centre from the query, as a share of the square's reach, from which on a head is an offset head. In
# the tight square it is half a patch: from there on, another patch is nearer than the query's own.
ASIDE = 0.5


@dataclass(frozen=True, slots=True)
class HeadType:
    """The type of a head, and the evidence for it from 0 to 1."""

    name: str
    evidence: float


def name_head(first: Tensor, second: Tensor) -> HeadType:
    """Return the type of a head, from its aligned maps over two halves of the images.

    The evidence is the share of the attention in the region of the type, times the agreement of the two halves: the
    mass that their maps, each of sum 1, have in common.

    Args:
        first: (2h-1, 2w-1), with any positive sum.
        second: the same over the other half.

    >>> one_to_the_right = torch.zeros(15, 15)
    >>> one_to_the_right[7, 8] = 3
    >>> name_head(one_to_the_right, 2 * one_to_the_right)
    HeadType(name='offset-local', evidence=1.0)
    """
    halves = [half.double() / half.sum() for half in (first, second)]
    total = (first + second).double()
    name, strength = classify(total / total.sum())
    agreement = float(torch.minimum(*halves).sum())
    return HeadType(name, min(1.0, strength * agreement))


def classify(aligned: Tensor) -> tuple[str, float]:
    """Return the type of an aligned map of sum 1, and the share of attention in its region."""
    share, aside = _square(aligned, TIGHT)
    if share >= MOST:
        return "offset-local" if aside >= ASIDE * TIGHT else "strict-local", share
    row, column = _band(aligned), _band(aligned.T)
    if row >= max(MOST, ELONGATED * column):
        return "axial-horizontal", row
    if column >= max(MOST, ELONGATED * row):
        return "axial-vertical", column
    reach = soft_reach(aligned.shape)
    share, aside = _square(aligned, reach)
    if share >= MOST:
        return "offset-local" if aside >= ASIDE * reach else "soft-local", share
    return "global", 1 - share


def soft_reach(shape: tuple[int, ...]) -> int:
    """Return the reach of the soft square, in patches: a quarter of the grid's shorter side.

    Args:
        shape: of the aligned map.

    >>> soft_reach((27, 27)), soft_reach((15, 31)), soft_reach((5, 5))
    (3, 2, 1)
    """
    return max(1, (min(shape) + 1) // 8)


def _square(aligned: Tensor, reach: int) -> tuple[float, float]:
    """Return the share in the square with the most attention, and the distance of its centre of mass in patches."""
    side = 2 * reach + 1
    shares = avg_pool2d(aligned[None], side, stride=1, padding=reach, divisor_override=1)[0]
    y, x = divmod(int(shares.argmax()), shares.shape[1])
    top, left = max(0, y - reach), max(0, x - reach)
    inside = aligned[top : y + reach + 1, left : x + reach + 1]
    share = float(inside.sum())
    down = torch.arange(inside.shape[0], dtype=torch.float64) + top - aligned.shape[0] // 2
    right = torch.arange(inside.shape[1], dtype=torch.float64) + left - aligned.shape[1] // 2
    aside = math.hypot(float(inside.sum(dim=1) @ down), float(inside.sum(dim=0) @ right)) / share
    return share, aside


def _band(aligned: Tensor) -> float:
    """Return the share in the band of rows with the most attention."""
    rows = aligned.sum(dim=1)
    return float(avg_pool1d(rows[None], 2 * BAND + 1, stride=1, padding=BAND).max() * (2 * BAND + 1))
