"""The appearance of an individual: the proportions of its parts, its colours and its coat."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np

from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.seeds import generator, one_of

Colour = tuple[float, float, float]

COLOURS = {
    "red": (0.80, 0.14, 0.13),
    "orange": (0.93, 0.50, 0.12),
    "yellow": (0.94, 0.82, 0.22),
    "green": (0.22, 0.58, 0.22),
    "teal": (0.12, 0.58, 0.57),
    "blue": (0.17, 0.33, 0.78),
    "purple": (0.50, 0.22, 0.62),
    "pink": (0.93, 0.55, 0.68),
    "brown": (0.48, 0.30, 0.17),
    "black": (0.13, 0.13, 0.15),
    "grey": (0.52, 0.53, 0.55),
    "white": (0.93, 0.92, 0.88),
}

# The coats of individuals: names of textures.PATTERNS.
COATS = ("plain", "plain", "striped", "banded", "spotted", "checked", "scaly", "mottled")

# Probabilities of a coat and of a colour that are usual for the category. Both are only hints: categories share colours
# and coats, and the light is independent of them.
USUAL, USUAL_COLOUR = 0.9, 0.3


@dataclass(frozen=True, slots=True)
class Paint:
    """The look of a surface; colours are RGB, 0..1. ``scale`` is the pattern's repetitions per unit of length."""

    first: Colour
    second: Colour
    pattern: str = "plain"
    scale: float = 2.0
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Individual:
    """One individual.

    Attributes:
        category: index into CATEGORIES.
        colour, coat: words for its main colour and its pattern.
        lengths, widths, paints: the lengths, widths and paints of each part.
    """

    category: int
    colour: str
    coat: str
    lengths: tuple[float, ...]
    widths: tuple[float, ...]
    paints: tuple[Paint, ...]


def individual(world: int, category: int, number: int) -> Individual:
    """Return the individual of that number; its proportions, colours and coat are the same in every image."""
    rng = generator(world, "individual", category, number)
    kind = CATEGORIES[category]
    colour = one_of(rng, kind.colours if rng.random() < USUAL_COLOUR else tuple(COLOURS))
    other = one_of(rng, tuple(name for name in COLOURS if name != colour))
    coat = one_of(rng, kind.coats if rng.random() < USUAL else COATS)
    main, accent = near(rng, COLOURS[colour]), near(rng, COLOURS[other])
    coats: dict[str, Paint] = {}
    sizes: dict[str, tuple[float, float]] = {}
    largest = _largest(category)
    for part in kind.parts:  # parts of one name share a look: both wings, all legs
        if part.annotated not in sizes:
            sizes[part.annotated] = (float(rng.uniform(0.9, 1.2)), float(rng.uniform(0.9, 1.25)))
            same_coat, same_colour = rng.random(2) < (0.7, 0.75)
            pattern = coat if same_coat or part.annotated == largest else one_of(rng, COATS)
            first, second = (main, accent) if same_colour or part.annotated == largest else (accent, main)
            if part.colour and rng.random() < USUAL:
                first, second = near(rng, COLOURS[part.colour]), near(rng, COLOURS[part.colour], 0.15)
            coats[part.annotated] = _coat(rng, first, second, pattern)
    return Individual(
        category,
        colour,
        coat,
        tuple(part.length * sizes[part.annotated][0] for part in kind.parts),
        tuple(part.width * sizes[part.annotated][1] for part in kind.parts),
        tuple(coats[part.annotated] if part.annotated else _detail(accent) for part in kind.parts),
    )


def near(rng: np.random.Generator, colour: Colour, spread: float = 0.07) -> Colour:
    """Return a random colour near the given one."""
    red, green, blue = np.clip(np.asarray(colour) + rng.uniform(-spread, spread, 3), 0.03, 0.97).tolist()
    return red, green, blue


@cache
def _largest(category: int) -> str:
    """Return the largest annotated part; captions name its colour and coat."""
    areas: dict[str, float] = defaultdict(float)
    for part in CATEGORIES[category].parts:
        areas[part.annotated] += abs(part.length * part.width) if part.annotated else 0
    return max(areas, key=lambda name: areas[name])


def _coat(rng: np.random.Generator, first: Colour, second: Colour, pattern: str) -> Paint:
    """Return the paint of one part, in a slightly different tone."""
    shift = rng.random(2).tolist()
    return Paint(near(rng, first, 0.09), second, pattern, float(rng.uniform(1.8, 4.0)), (shift[0], shift[1]))


def _detail(accent: Colour) -> Paint:
    """Return the paint of eyes, windows and hubs: dark, or light on a dark object."""
    shade = 0.1 if sum(accent) > 1.2 else 0.9
    return Paint((shade, shade, shade), (shade, shade, shade))
