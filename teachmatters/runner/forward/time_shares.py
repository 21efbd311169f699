"""Shares of the time of a pass: each second is charged to exactly one member."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from teachmatters.runner.forward.schedule import PassMember, ScheduledImage


def shares_of_pass(
    own: Mapping[PassMember, float], entries: Sequence[ScheduledImage], whole: float
) -> dict[PassMember, float]:
    """Return each analysis' share of the seconds of a pass; the shares add up to ``whole``.

    An analysis is charged the time that it computed itself. The rest (loading images, the forward pass) is divided
    equally among the images, and the time of an image equally among the analyses that received it.

    Args:
        own: seconds that each analysis computed itself.
        entries: the images of the pass, with the members that received them.
        whole: seconds that the pass took.
    """
    images: defaultdict[PassMember, float] = defaultdict(float)
    for entry in entries:
        takers = {assignment.member: None for assignment in entry.assignments}
        for taker in takers:
            images[taker] += 1 / len(takers)
    per_image = (whole - sum(own.values())) / max(len(entries), 1)
    return {taker: own.get(taker, 0.0) + per_image * count for taker, count in images.items()}


def scale_shares(seconds: Mapping[PassMember, float], whole: float) -> dict[PassMember, float]:
    """Scale the shares so that they add up to another time, such as the time that a command waited for workers.

    Args:
        seconds: the seconds of each analysis.
        whole: the new sum.
    """
    total = sum(seconds.values())
    return {taker: whole * share / total for taker, share in seconds.items()} if total else {}
