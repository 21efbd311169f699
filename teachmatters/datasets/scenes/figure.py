"""Posing: from a skeleton and its swings to flat pieces that can be drawn."""

from __future__ import annotations

from cmath import exp
from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING

import numpy as np

from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.looks import Individual, Paint
from teachmatters.datasets.scenes.shapes import MIDDLE, OUTLINES

if TYPE_CHECKING:
    from numpy.typing import NDArray

# By name: the place, and the part that it lies on.
Keypoints = dict[str, tuple[complex, int]]

# The owner of clutter and of what stands in front: no object of the image.
NOTHING = -1


@dataclass(frozen=True, slots=True)
class View:
    """How an object is seen.

    Attributes:
        middle: of the object's bounding box, in the image's width (x + iy).
        extent: the longer side of that box.
        turn: in the image's plane, radians.
        yaw: how much of its length is left by looking at it from an angle, 0..1; negative when it looks to the left.
    """

    middle: complex
    extent: float
    turn: float
    yaw: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A flat shape in the image, in units of its width.

    Attributes:
        outline: complex (corners,).
        inverse: (a, b, c, d, e, f): a x + b y + c is how far along the part a place is, d x + e y + f how far across.
        breadth: half its width.
        paint: of its surface.
        owner: number of the object it belongs to, or NOTHING.
        part: index into the category's parts.
        shade: of its light that reaches it.
    """

    outline: NDArray[np.complex128]
    inverse: tuple[float, float, float, float, float, float]
    breadth: float
    paint: Paint
    owner: int = NOTHING
    part: int = 0
    shade: float = 1.0


def swings(rng: np.random.Generator, category: int) -> NDArray[np.float64]:
    """The turn of every joint, -1..1."""
    return rng.uniform(-1, 1, len(CATEGORIES[category].parts))


@dataclass(frozen=True, slots=True)
class Figure:
    """One object, posed and seen.

    Attributes:
        who: which individual.
        turns: of its joints, -1..1.
        view: how it is seen.
        pieces: in drawing order.
        keypoints: where they are, seen or not.
    """

    who: Individual
    turns: NDArray[np.float64]
    view: View
    pieces: tuple[Piece, ...]
    keypoints: Keypoints

    @property
    def outline(self) -> NDArray[np.complex128]:
        """The corners of all its pieces."""
        return np.concatenate([piece.outline for piece in self.pieces])

    @property
    def cut_off(self) -> bool:
        """Whether more than a trifle of it lies outside the image."""
        beyond = np.abs(self.outline.view(np.float64) - 0.5) - 0.5
        return bool(beyond.max() > 0.02)


def pose(who: Individual, turns: NDArray[np.float64], view: View, owner: int = 0) -> Figure:
    """Put an individual into an image.

    Args:
        who: the individual.
        turns: (parts,) from ``swings``.
        view: how it is seen.
        owner: the object's number in the image.
    """
    parts = CATEGORIES[who.category].parts
    joints = _joints(who, turns)
    outlines = [
        joint + axis * _stretch(OUTLINES[part.shape], length, width / 2)
        for part, (joint, axis), length, width in zip(parts, joints, who.lengths, who.widths, strict=True)
    ]
    camera = _Camera(np.concatenate(outlines), view)
    order = sorted(range(len(parts)), key=lambda number: parts[number].depth)
    pieces = tuple(
        Piece(
            camera.see(outlines[i]),
            camera.inverse(*joints[i]),
            abs(who.widths[i]) / 2,
            who.paints[i],
            owner,
            i,
            0.72 if parts[i].depth < 0 else 1.0,
        )
        for i in order
    )
    return Figure(who, turns, view, pieces, _keypoints(who, joints, camera))


def _stretch(outline: NDArray[np.complex128], length: float, half_width: float) -> NDArray[np.complex128]:
    return outline.real * length + 1j * outline.imag * half_width


def _joints(who: Individual, turns: NDArray[np.float64]) -> list[tuple[complex, complex]]:
    """Of each part the place of its joint and the direction of its axis, in the object's own plane."""
    parts = CATEGORIES[who.category].parts
    numbers = {part.name: number for number, part in enumerate(parts)}
    found: dict[int, tuple[complex, complex]] = {}

    def joint(number: int) -> tuple[complex, complex]:
        if number not in found:
            part = parts[number]
            turn = exp(1j * pi / 180 * (part.angle + part.swing * float(turns[number])))
            if part.parent:
                parent = numbers[part.parent]
                place, axis = joint(parent)
                along, across = part.at[0] * who.lengths[parent], part.at[1] * who.widths[parent] / 2
                found[number] = place + axis * complex(along, across), axis * turn
            else:
                found[number] = 0j, turn
        return found[number]

    return [joint(number) for number in range(len(parts))]


class _Camera:
    """From the object's plane to the image: turned, foreshortened, and fitted into the view's place."""

    def __init__(self, points: NDArray[np.complex128], view: View) -> None:
        self._yaw, self._turn = view.yaw, exp(1j * view.turn)
        self._scale, self._shift = 1.0, 0j
        seen = self.see(points)
        self._scale = view.extent / max(np.ptp(seen.real), np.ptp(seen.imag))
        seen = self.see(points)
        middle = complex(seen.real.max() + seen.real.min(), seen.imag.max() + seen.imag.min()) / 2
        self._shift = view.middle - middle

    def see(self, points: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return self._shift + self._scale * self._turn * (points.real * self._yaw + 1j * points.imag)

    def inverse(self, joint: complex, axis: complex) -> tuple[float, float, float, float, float, float]:
        def back(place: complex) -> complex:
            flat = (place - self._shift) / (self._scale * self._turn)
            return (complex(flat.real / self._yaw, flat.imag) - joint) / axis

        origin = back(0j)
        x, y = back(1 + 0j) - origin, back(1j) - origin
        return x.real, y.real, origin.real, x.imag, y.imag, origin.imag


def _keypoints(who: Individual, joints: list[tuple[complex, complex]], camera: _Camera) -> Keypoints:
    """The tip of every part (the middle of what is fixed by its middle), and the joint of every jointed one."""
    found: Keypoints = {}
    for number, part in enumerate(CATEGORIES[who.category].parts):
        joint, axis = joints[number]
        if part.shape in MIDDLE:
            places = {part.name: joint}
        else:
            places = {f"{part.name} tip": joint + axis * 0.88 * who.lengths[number]}
            if part.parent:
                places[f"{part.name} joint"] = joint + axis * 0.2 * who.lengths[number]
            else:
                places[f"{part.name} end"] = joint + axis * 0.2 * who.lengths[number]
        found |= {name: (complex(camera.see(np.array([place]))[0]), number) for name, place in places.items()}
    return found
