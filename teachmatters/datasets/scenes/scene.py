"""A scene: the content of an image, independent of the image size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi

import numpy as np

from teachmatters.datasets.scenes import grounds
from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.figure import Figure, Piece, View, pose, swings
from teachmatters.datasets.scenes.looks import individual
from teachmatters.datasets.scenes.seeds import generator

# First individual of each stream, in multiples of STEP; no individual appears in two splits.
SPLITS = {"train": 0, "val": 1}

STEP = 100_000_000


@dataclass(frozen=True)
class Scene:
    """The content of an image, from back to front.

    Attributes:
        ground, clutter: the background.
        figures: the objects; the first is the main object.
        order: their drawing order.
        front: occluders in front of them.
        light: the light of the whole image.
        front_name: the occluder in words, or empty.
    """

    ground: grounds.Ground
    clutter: tuple[Piece, ...]
    figures: tuple[Figure, ...]
    front: tuple[Piece, ...]
    light: grounds.Light
    front_name: str = ""
    order: tuple[int, ...] = ()

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """Return everything but the ground, in drawing order."""
        order = self.order or tuple(reversed(range(len(self.figures))))
        things = (piece for number in order for piece in self.figures[number].pieces)
        return (*self.clutter, *things, *self.front)


def labelled(world: int, split: str, number: int) -> Scene:
    """Return a scene of train or val: one main object, of category ``number`` modulo the number of categories."""
    rng = generator(world, split, number)
    category = number % len(CATEGORIES)
    who = individual(world, category, SPLITS[split] * STEP + number // len(CATEGORIES))
    view = any_view(rng)
    figures = [pose(who, swings(rng, category), view)]
    if rng.random() < 0.2:
        figures.append(bystander(rng, world, view, category))
    name, front = grounds.front(rng, view.middle, view.extent) if rng.random() < 0.2 else ("", ())
    return Scene(grounds.ground(rng, category), grounds.clutter(rng), tuple(figures), front, grounds.light(rng), name)


def any_view(rng: np.random.Generator, extent: tuple[float, float] = (0.82, 1.25)) -> View:
    """Choose a view of a large object: it fills a third to half of the image, and a tip may be cut off."""
    size = float(rng.uniform(*extent))
    middle = 0.5 + 0.5j + complex(*rng.uniform(-0.12, 0.12, 2))
    side = 1 if rng.random() < 0.5 else -1
    return View(middle, size, float(rng.uniform(-pi / 4, pi / 4)), side * float(rng.uniform(0.6, 1)))


def bystander(rng: np.random.Generator, world: int, view: View, other: int) -> Figure:
    """Return a smaller object of another category, near a corner and behind the first."""
    category = int((other + rng.integers(1, len(CATEGORIES))) % len(CATEGORIES))
    who = individual(world, category, 2 * STEP + int(rng.integers(STEP)))
    away = 0.5 + 0.5j - view.middle
    angle = float(rng.uniform(-pi, pi))
    middle = 0.5 + 0.5j + away + 0.36 * complex(1 if np.cos(angle) > 0 else -1, 1 if np.sin(angle) > 0 else -1)
    place = View(middle, float(rng.uniform(0.28, 0.4)), float(rng.uniform(-0.4, 0.4)), float(rng.choice([-0.9, 0.9])))
    return pose(who, swings(rng, category), place, owner=1)
