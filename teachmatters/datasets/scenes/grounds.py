"""The surroundings of objects: materials, light, clutter and occluders."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import TYPE_CHECKING

import numpy as np

from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.figure import Piece
from teachmatters.datasets.scenes.looks import COATS, COLOURS, Colour, Paint, near
from teachmatters.datasets.scenes.seeds import one_of
from teachmatters.datasets.scenes.shapes import OUTLINES

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Material:
    """A surface: its pattern, its two colours, and the range of the pattern's repetitions across the image."""

    pattern: str
    first: Colour
    second: Colour
    scale: tuple[float, float]


# Few, and each is usual for several categories: the ground is a hint at the category, but does not identify the image.
# If every image had its own ground, two views of one object could be matched by the ground alone.
MATERIALS = {
    "clouds": Material("clouds", (0.45, 0.65, 0.90), (0.95, 0.96, 0.98), (0.6, 0.8)),
    "water": Material("ripples", (0.20, 0.42, 0.62), (0.55, 0.74, 0.84), (0.9, 1.2)),
    "grass": Material("blades", (0.30, 0.52, 0.20), (0.52, 0.70, 0.32), (0.9, 1.2)),
    "sand": Material("grain", (0.86, 0.76, 0.55), (0.70, 0.58, 0.38), (0.9, 1.2)),
    "planks": Material("planks", (0.66, 0.48, 0.30), (0.40, 0.27, 0.16), (0.9, 1.2)),
    "tiles": Material("tiles", (0.78, 0.80, 0.80), (0.45, 0.48, 0.52), (1.1, 1.5)),
}

# Probability of a ground that is usual for the category; otherwise any.
USUAL = 0.85

# Fades the grounds, so that objects stand out as if in focus.
SATURATION, CONTRAST = 0.55, 0.5


@dataclass(frozen=True, slots=True)
class Surface:
    """A material in one image; ``turn`` is in radians."""

    paint: Paint
    turn: float


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The background.

    Attributes:
        name: its material, in words.
        near, far: below and above the horizon.
        horizon: (offset, slope) of the line between ``far`` and ``near``; None without ``far``.
        mottle: float32 (rows, columns), smooth changes of brightness, -1..1.
    """

    name: str
    near: Surface
    far: Surface | None
    horizon: tuple[float, float]
    mottle: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one image.

    Attributes:
        direction: towards the source, x + iy, of length 1.
        strength: the strength of the shading, 0..1.
        tint: factor of red, green and blue.
        vignette: darkening of the corners, 0..1.
        shadow: darkness of the shadow on the ground, 0..1.
    """

    direction: complex
    strength: float
    tint: Colour
    vignette: float
    shadow: float


def ground(rng: np.random.Generator, category: int) -> Ground:
    """Choose a random background for an image of ``category``."""
    name = _material(rng, category)
    far = _surface(rng, _material(rng, category)) if rng.random() < 0.3 else None
    cells = int(rng.integers(2, 4))
    mottle = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    horizon = float(rng.uniform(0.25, 0.7)), float(rng.uniform(-0.15, 0.15))
    return Ground(name, _surface(rng, name), far, horizon, mottle)


def _material(rng: np.random.Generator, category: int) -> str:
    return one_of(rng, CATEGORIES[category].grounds if rng.random() < USUAL else tuple(MATERIALS))


def _surface(rng: np.random.Generator, name: str) -> Surface:
    material = MATERIALS[name]
    first = _muted(near(rng, material.first, 0.04))
    second = _muted(near(rng, material.second, 0.04), first)
    shift = rng.random(2).tolist()
    paint = Paint(first, second, material.pattern, float(rng.uniform(*material.scale)), (shift[0], shift[1]))
    return Surface(paint, float(rng.uniform(-0.15, 0.15)))


def _muted(colour: Colour, beside: Colour | None = None) -> Colour:
    """Make a ground's colours duller than an object's and closer to each other."""
    grey = sum(colour) / 3
    red, green, blue = (grey + SATURATION * (each - grey) for each in colour)
    if beside is None:
        return red, green, blue
    mixed = [there + CONTRAST * (here - there) for here, there in zip((red, green, blue), beside, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def light(rng: np.random.Generator) -> Light:
    """Choose a random light: roughly from above, warm or cold, bright or dim."""
    angle = rng.uniform(-pi, 0)
    warmth, exposure = rng.uniform(-0.3, 0.3), rng.uniform(0.55, 1.25)
    tint = (float(exposure * (1 + warmth)), float(exposure), float(exposure * (1 - warmth)))
    strength, vignette, shadow = (float(rng.uniform(*span)) for span in ((0.2, 0.55), (0, 0.45), (0.1, 0.45)))
    return Light(complex(cos(angle), sin(angle)), strength, tint, vignette, shadow)


CLUTTER = ("disc", "box", "leaf", "cone", "limb", "petal", "claw", "fan")


def clutter(rng: np.random.Generator, most: int = 2) -> tuple[Piece, ...]:
    """Make small shapes on the ground that are not objects."""
    return tuple(
        piece(
            one_of(rng, CLUTTER),
            complex(*rng.random(2)),
            float(rng.uniform(-pi, pi)),
            (float(rng.uniform(0.04, 0.2)), float(rng.uniform(0.03, 0.1))),
            coat(rng),
        )
        for _ in range(int(rng.integers(0, most + 1)))
    )


def front(rng: np.random.Generator, middle: complex, extent: float) -> tuple[str, tuple[Piece, ...]]:
    """Make an occluder for an object of that position and size; return its name and its pieces."""
    name = one_of(rng, tuple(FRONTS))
    angle = float(rng.uniform(-pi, pi))
    return name, FRONTS[name](rng, middle + extent * 0.36 * complex(cos(angle), sin(angle)), extent)


def _branch(rng: np.random.Generator, at: complex, extent: float) -> tuple[Piece, ...]:
    turn = float(rng.uniform(-0.7, 0.7))
    wood = piece(
        "limb",
        at - 0.8 * complex(cos(turn), sin(turn)),
        turn,
        (1.6, float(rng.uniform(0.05, 0.09))),
        tones(rng, "brown"),
    )
    return (wood, *(_leaf(rng, at, 0.18, (0.16, 0.07)) for _ in range(3)))


def _post(rng: np.random.Generator, at: complex, extent: float) -> tuple[Piece, ...]:
    turn, width = pi / 2 + float(rng.uniform(-0.15, 0.15)), float(rng.uniform(0.07, 0.12))
    return (piece("limb", complex(at.real, -0.3), turn, (1.7, width), coat(rng)),)


def _fence(rng: np.random.Generator, at: complex, extent: float) -> tuple[Piece, ...]:
    paint, step = coat(rng), float(rng.uniform(0.2, 0.3))
    return tuple(piece("limb", at + step * i, pi / 2, (1.2, 0.05), paint) for i in (-1, 0, 1))


def _ball(rng: np.random.Generator, at: complex, extent: float) -> tuple[Piece, ...]:
    size = extent * float(rng.uniform(0.22, 0.34))
    return (piece("disc", at, 0.0, (size, size), coat(rng)),)


def _bush(rng: np.random.Generator, at: complex, extent: float) -> tuple[Piece, ...]:
    return tuple(_leaf(rng, at, 0.1, (0.24, 0.1)) for _ in range(7))


# The occluders.
FRONTS = {"branch": _branch, "post": _post, "fence": _fence, "ball": _ball, "bush": _bush}


def _leaf(rng: np.random.Generator, at: complex, spread: float, size: tuple[float, float]) -> Piece:
    place = at + complex(*rng.uniform(-spread, spread, 2))
    return piece("leaf", place, float(rng.uniform(-pi, pi)), size, tones(rng, "green"))


def tones(rng: np.random.Generator, colour: str) -> Paint:
    """Make a mottled paint in tones of one colour."""
    first = near(rng, COLOURS[colour], 0.1)
    return Paint(first, near(rng, first, 0.25), "mottled", float(rng.uniform(2, 6)))


def coat(rng: np.random.Generator) -> Paint:
    """Choose a random paint."""
    first, second = (near(rng, COLOURS[one_of(rng, tuple(COLOURS))], 0.1) for _ in range(2))
    return Paint(first, second, one_of(rng, COATS), float(rng.uniform(2, 6)))


def piece(shape: str, joint: complex, turn: float, size: tuple[float, float], paint: Paint) -> Piece:
    """Put a shape directly into the image; ``size`` is its length and width."""
    axis = complex(cos(turn), sin(turn))
    outline = OUTLINES[shape]
    placed = joint + axis * (outline.real * size[0] + 1j * outline.imag * size[1] / 2)
    origin = -joint / axis
    inverse = (axis.real, axis.imag, origin.real, -axis.imag, axis.real, origin.imag)
    return Piece(placed, inverse, size[1] / 2, paint)
