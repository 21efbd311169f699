"""Pose a skeleton: turn it into flat pieces that can be drawn."""

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

# By name: the position, and the part that holds it.
Keypoints = dict[str, tuple[complex, int]]

# The owner of clutter and occluders: none of the image's objects.
NOTHING = -1


@dataclass(frozen=True, slots=True)
class View:
    """The view of an object.

    Attributes:
        middle: centre of the object's bounding box, in units of the image's width (x + iy).
        extent: the longer side of that box.
        turn: rotation in the image plane, radians.
        yaw: the fraction of its length after foreshortening, 0..1; negative if it faces left.
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
        inverse: (a, b, c, d, e, f): a x + b y + c is the coordinate along the part, d x + e y + f the one across.
        breadth: half its width.
        paint: the paint of its surface.
        owner: number of the object that it belongs to, or NOTHING.
        part: index into the category's parts.
        shade: fraction of the light that reaches it.
    """

    outline: NDArray[np.complex128]
    inverse: tuple[float, float, float, float, float, float]
    breadth: float
    paint: Paint
    owner: int = NOTHING
    part: int = 0
    shade: float = 1.0


def swings(rng: np.random.Generator, category: int) -> NDArray[np.float64]:
    """Draw a random rotation for every joint, -1..1."""
    return rng.uniform(-1, 1, len(CATEGORIES[category].parts))


@dataclass(frozen=True, slots=True)
class Figure:
    """One posed object in an image.

    Attributes:
        who: the individual.
        turns: the turns of its joints, -1..1.
        view: its view.
        pieces: in drawing order.
        keypoints: their positions, visible or not.
    """

    who: Individual
    turns: NDArray[np.float64]
    view: View
    pieces: tuple[Piece, ...]
    keypoints: Keypoints

    @property
    def outline(self) -> NDArray[np.complex128]:
        """Return the corners of all its pieces."""
        return np.concatenate([piece.outline for piece in self.pieces])

    @property
    def cut_off(self) -> bool:
        """Return True if a noticeable part of it is outside the image."""
        beyond = np.abs(self.outline.view(np.float64) - 0.5) - 0.5
        return bool(beyond.max() > 0.02)


def pose(who: Individual, turns: NDArray[np.float64], view: View, owner: int = 0) -> Figure:
    """Put an individual into an image.

    Args:
        who: the individual.
        turns: (parts,) from ``swings``.
        view: its view.
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
    """Return the joint and the axis direction of each part, in the object's plane."""
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
    """Map the object's plane to the image: rotate, foreshorten, scale and shift it to the view."""

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
    """Return the tip of every part (or its middle, if it is fixed there), and the joint of every attached part."""
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
