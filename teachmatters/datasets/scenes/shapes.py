"""Outlines of the primitive shapes of parts.

An outline is complex, x + iy, in the part's frame: x runs from the joint (0) along the part to its tip (1), y across it
from -1 to 1. A wheel or a head is attached at its middle instead, so x runs from -0.5 to 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Corners of a round outline; at 224 pixels an edge is then about seven pixels long.
STEPS = 24

# Shapes attached at their middle; their keypoint is there instead of at a tip.
MIDDLE = frozenset({"disc", "shell"})


def _round(power: float, middle: float = 0.5) -> NDArray[np.complex128]:
    """Make a superellipse: power 2 is an ellipse, a larger power a box with rounded corners."""
    turn = np.exp(2j * np.pi * np.arange(STEPS) / STEPS)
    x, y = turn.real, turn.imag
    bulge = 2 / power
    found: NDArray[np.complex128] = middle + np.sign(x) * np.abs(x) ** bulge / 2 + 1j * np.sign(y) * np.abs(y) ** bulge
    return found


def _profile(*half_widths: float) -> NDArray[np.complex128]:
    """Make an outline that is symmetric about the axis, with the half widths at even steps from joint to tip."""
    x = np.linspace(0, 1, len(half_widths))
    half = np.asarray(half_widths)
    return np.concatenate([x - 1j * half, (x + 1j * half)[::-1]])


def _corners(*points: tuple[float, float]) -> NDArray[np.complex128]:
    return np.array([complex(x, y) for x, y in points])


OUTLINES: dict[str, NDArray[np.complex128]] = {
    "ellipse": _round(2),
    "disc": _round(2, middle=0),
    "shell": _round(2.6, middle=0),
    "limb": _round(5),
    "box": _round(12),
    "leaf": _profile(0.12, 0.6, 0.9, 1, 0.95, 0.8, 0.58, 0.32, 0.04),
    "drop": _profile(0.2, 0.45, 0.7, 0.88, 0.98, 1, 0.9, 0.68, 0.3),
    "petal": _profile(0.2, 0.5, 0.8, 0.97, 1, 0.8, 0.3),
    "cone": _profile(1, 0.1),
    "tower": _profile(1, 0.7),
    "shade": _profile(0.35, 0.45, 1),
    "fan": _corners((0, -0.2), (0.6, -0.7), (1, -1), (0.9, -0.3), (0.8, 0), (0.9, 0.3), (1, 1), (0.6, 0.7), (0, 0.2)),
    "claw": _corners(
        *((0, -0.2), (0.2, -0.8), (0.5, -1), (1, -0.6), (0.72, -0.35), (0.45, 0.05)),
        *((0.75, 0.25), (1, 0.55), (0.6, 1), (0.2, 0.8), (0, 0.2)),
    ),
    "wing": _corners(
        *((0, -0.7), (0.5, -1), (0.9, -0.8), (1, -0.4), (0.9, 0.1), (0.75, 0.3), (0.6, 0.6), (0.3, 0.9), (0, 1)),
    ),
    "swept": _corners((0, -1), (0.1, -1), (1, 0.45), (1, 0.95), (0, 0.6)),
    "hull": _corners((0, -1), (1, -1), (0.97, -0.4), (0.85, 1), (0.2, 1), (0.06, 0.2)),
    "bed": _corners((0, -0.9), (1.05, -1), (0.93, 1), (0, 1)),
    "cab": _corners((0, 1), (0, -1), (0.55, -1), (0.8, -0.1), (1, 0.1), (1, 1)),
    "sail": _corners((0, -1), (0.35, -0.72), (0.7, -0.2), (1, 0.9), (0.5, 1), (0, 0.9)),
    "head": _corners(
        *((0, -0.5), (0.12, -1), (0.5, -0.95), (0.66, -0.4), (1, -0.15), (1, 0.5), (0.55, 0.75), (0.2, 0.9), (0, 0.5)),
    ),
}
