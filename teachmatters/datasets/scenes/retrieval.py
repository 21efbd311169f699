"""Retrieval: queries, and a gallery with other views of them and with other individuals of their category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import pi
from typing import Literal

import numpy as np

from teachmatters.datasets.scenes import grounds
from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.figure import Piece, View, pose, swings
from teachmatters.datasets.scenes.looks import individual
from teachmatters.datasets.scenes.scene import STEP, Scene, any_view
from teachmatters.datasets.scenes.seeds import generator

QUERIES = 36
DISTRACTORS = 60
# Difference between the poses of an easy image and its query, as a fraction of each joint's swing.
LIKENESS = 0.45

# The number of the first individual.
FIRST = 3 * STEP

Grade = Literal["easy", "hard", "junk", "other"]


@dataclass(frozen=True, slots=True)
class Shot:
    """An image of the gallery: the individual of query ``number``, or distractor ``number`` for grade ``other``."""

    grade: Grade
    number: int


@cache
def gallery(world: int) -> tuple[Shot, ...]:
    """Return the content of each gallery image, in a random order."""
    rng = generator(world, "gallery plan")
    shots = [Shot("other", number) for number in range(DISTRACTORS)]
    for query in range(QUERIES):
        easy, hard = rng.integers(3, 7, 2)
        wanted: Sequence[tuple[Grade, int]] = (
            ("easy", 0 if query % 12 == 5 else int(easy)),  # as in the real data, some queries have none
            ("hard", 0 if query % 12 == 8 else int(hard)),
            ("junk", 2),
        )
        shots += [Shot(grade, query) for grade, count in wanted for _ in range(count)]
    return tuple(shots[place] for place in rng.permutation(len(shots)))


def found(world: int, query: int) -> dict[str, tuple[int, ...]]:
    """Return the positions of a query's easy, hard and junk images in the gallery."""
    shots = list(enumerate(gallery(world)))
    grades: tuple[Grade, ...] = ("easy", "hard", "junk")
    return {grade: tuple(place for place, shot in shots if shot == Shot(grade, query)) for grade in grades}


def query_scene(world: int, number: int) -> Scene:
    """Return a clear view of individual ``number``."""
    rng = generator(world, "query", number)
    category = number % len(CATEGORIES)
    figure = pose(individual(world, category, FIRST + number), swings(rng, category), any_view(rng))
    return Scene(grounds.ground(rng, category), grounds.clutter(rng, 4), (figure,), (), grounds.light(rng))


def gallery_scene(world: int, place: int) -> Scene:
    """Return the scene at a position of the gallery; its ground and light differ from the query's."""
    shot = gallery(world)[place]
    rng = generator(world, "gallery", place)
    category = shot.number % len(CATEGORIES)
    who = individual(world, category, FIRST + shot.number + (QUERIES if shot.grade == "other" else 0))
    turns, view = swings(rng, category), any_view(rng)
    front: tuple[Piece, ...] = ()
    if shot.grade == "easy":
        asked = query_scene(world, shot.number).figures[0]
        turns = asked.turns + LIKENESS * (turns - asked.turns)
        view = replace(view, turn=asked.view.turn + float(rng.uniform(-0.3, 0.3)), yaw=asked.view.yaw)
    elif shot.grade != "other" or rng.random() < 0.4:  # so that occlusion does not reveal the individual
        view = _far(rng) if shot.grade == "junk" else _smaller(rng)
        front = grounds.front(rng, view.middle, view.extent)[1]
    return Scene(
        grounds.ground(rng, category), grounds.clutter(rng), (pose(who, turns, view),), front, grounds.light(rng)
    )


def _smaller(rng: np.random.Generator) -> View:
    """Choose a view that fills about half the image, rotated further, from either side."""
    side = 1 if rng.random() < 0.5 else -1
    middle = 0.5 + 0.5j + complex(*rng.uniform(-0.2, 0.2, 2))
    size, turn = float(rng.uniform(0.42, 0.62)), float(rng.uniform(-pi / 4, pi / 4))
    return View(middle, size, turn, side * float(rng.uniform(0.6, 1)))


def _far(rng: np.random.Generator) -> View:
    """Choose a small view, half outside the image."""
    corner = complex(*np.where(rng.random(2) < 0.5, 0.06, 0.94))
    return View(corner, float(rng.uniform(0.22, 0.3)), float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.6, 1)))
