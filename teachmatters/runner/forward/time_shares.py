"""Whose time it was: the time of a pass, shares_of_pass among those who took part, so that nothing is counted twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from teachmatters.runner.forward.schedule import PassMember, ScheduledImage


def shares_of_pass(
    own: Mapping[PassMember, float], entries: Sequence[ScheduledImage], whole: float
) -> dict[PassMember, float]:
    """Return the seconds of a pass that each analysis answers for; they add up to ``whole``.

    An analysis answers for the time that it computed itself. What is left (reading images, the forward pass) is
    shares_of_pass among the images, and each image's part equally among the analyses that wanted it.

    Args:
        own: seconds that each analysis computed itself.
        entries: the images of the pass, and who wanted them.
        whole: seconds that the pass took.
    """
    images: defaultdict[PassMember, float] = defaultdict(float)
    for entry in entries:
        takers = {assignment.member: None for assignment in entry.assignments}
        for taker in takers:
            images[taker] += 1 / len(takers)
    each = (whole - sum(own.values())) / max(len(entries), 1)
    return {taker: own.get(taker, 0.0) + each * count for taker, count in images.items()}


def scale_shares(seconds: Mapping[PassMember, float], whole: float) -> dict[PassMember, float]:
    """Return the same proportions of another time, such as that which a command waited for workers.

    Args:
        seconds: of each analysis.
        whole: what they are to add up to.
    """
    total = sum(seconds.values())
    return {taker: whole * each / total for taker, each in seconds.items()} if total else {}
