"""A scene: everything in an image, before it is drawn at any size."""

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

# Where a stream's individuals start, in steps of STEP: no individual of one split is seen in another.
SPLITS = {"train": 0, "val": 1}

STEP = 100_000_000


@dataclass(frozen=True)
class Scene:
    """What is in an image, from back to front.

    Attributes:
        ground, clutter: the background.
        figures: the objects; the first is the one the image is about.
        order: their drawing order.
        front: what stands before them.
        light: on all of it.
        front_name: in words, or empty.
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
        """Everything but the ground, in drawing order."""
        order = self.order or tuple(reversed(range(len(self.figures))))
        things = (piece for number in order for piece in self.figures[number].pieces)
        return (*self.clutter, *things, *self.front)


def labelled(world: int, split: str, number: int) -> Scene:
    """One image of the train or val split: about one object, of category ``number`` modulo their count."""
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
    """Draw a view of a large object: a third to half of the image is its own, and a tip may be cut off."""
    size = float(rng.uniform(*extent))
    middle = 0.5 + 0.5j + complex(*rng.uniform(-0.12, 0.12, 2))
    side = 1 if rng.random() < 0.5 else -1
    return View(middle, size, float(rng.uniform(-pi / 4, pi / 4)), side * float(rng.uniform(0.6, 1)))


def bystander(rng: np.random.Generator, world: int, view: View, other: int) -> Figure:
    """A smaller object of another category, towards a corner, behind the first."""
    category = int((other + rng.integers(1, len(CATEGORIES))) % len(CATEGORIES))
    who = individual(world, category, 2 * STEP + int(rng.integers(STEP)))
    away = 0.5 + 0.5j - view.middle
    angle = float(rng.uniform(-pi, pi))
    middle = 0.5 + 0.5j + away + 0.36 * complex(1 if np.cos(angle) > 0 else -1, 1 if np.sin(angle) > 0 else -1)
    place = View(middle, float(rng.uniform(0.28, 0.4)), float(rng.uniform(-0.4, 0.4)), float(rng.choice([-0.9, 0.9])))
    return pose(who, swings(rng, category), place, owner=1)
