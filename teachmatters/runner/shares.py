"""Whose time it was: the time of a pass, divided among those who took part, so that nothing is counted twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from teachmatters.runner.seats import Entry, Feeding


def divided(own: Mapping[Feeding, float], entries: Sequence[Entry], whole: float) -> dict[Feeding, float]:
    """Return the seconds of a pass that each analysis answers for; they add up to ``whole``.

    An analysis answers for the time that it computed itself. What is left (reading pictures, the forward pass) is
    divided among the pictures, and each picture's part equally among the analyses that wanted it.

    Args:
        own: seconds that each analysis computed itself.
        entries: the pictures of the pass, and who wanted them.
        whole: seconds that the pass took.
    """
    pictures: defaultdict[Feeding, float] = defaultdict(float)
    for entry in entries:
        takers = {seat.feeding: None for seat in entry.seats}
        for taker in takers:
            pictures[taker] += 1 / len(takers)
    each = (whole - sum(own.values())) / max(len(entries), 1)
    return {taker: own.get(taker, 0.0) + each * count for taker, count in pictures.items()}


def scaled(seconds: Mapping[Feeding, float], whole: float) -> dict[Feeding, float]:
    """Return the same proportions of another time, such as that which a command waited for workers.

    Args:
        seconds: of each analysis.
        whole: what they are to add up to.
    """
    total = sum(seconds.values())
    return {taker: whole * each / total for taker, each in seconds.items()} if total else {}
