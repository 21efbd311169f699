"""Pairs of individuals of one category with corresponding keypoints."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import combinations
from math import pi

from teachmatters.api import Pair
from teachmatters.datasets.scenes import grounds
from teachmatters.datasets.scenes.categories import CATEGORIES, CLASSES
from teachmatters.datasets.scenes.figure import View, pose, swings
from teachmatters.datasets.scenes.looks import individual
from teachmatters.datasets.scenes.masks import VisibleMask
from teachmatters.datasets.scenes.scene import STEP, Scene
from teachmatters.datasets.scenes.seeds import generator

# Images of each category; each forms pairs with the five others.
IMAGES = 6

# Keypoints that both images of a pair must show.
FEWEST = 3

FIRST = 5 * STEP
# Visibility is computed at this size, so that the points are the same at every size.
SIZE = 64


@lru_cache(maxsize=2 * IMAGES * len(CATEGORIES))
def pair_scene(world: int, number: int) -> Scene:
    """Return image ``number % IMAGES`` of category ``number // IMAGES``; some are cut off, some partly hidden."""
    category = number // IMAGES
    rng = generator(world, "pairs", number)
    size = float(rng.uniform(0.5, 0.95))
    room = (1 - size) / 2 + (0.15 if rng.random() < 0.3 else 0.0)
    middle = 0.5 + 0.5j + complex(*rng.uniform(-room, room, 2))
    # Mirroring an object that looks the same from both sides would swap its left and right keypoints.
    side = -1 if rng.random() < 0.4 and CATEGORIES[category].sided else 1
    view = View(middle, size, float(rng.uniform(-pi / 6, pi / 6)), side * float(rng.uniform(0.7, 1)))
    figure = pose(individual(world, category, FIRST + number), swings(rng, category), view)
    name, front = grounds.front(rng, middle, size) if rng.random() < 0.3 else ("", ())
    return Scene(grounds.ground(rng, category), grounds.clutter(rng), (figure,), front, grounds.light(rng), name)


@cache
def keypoints(world: int, number: int) -> dict[str, complex]:
    """Return the visible keypoints of an image, in units of its width."""
    return VisibleMask(pair_scene(world, number), SIZE).keypoints()


@cache
def all_pairs(world: int) -> tuple[Pair, ...]:
    """Return all pairs of a category's images with enough shared keypoints; every other pair is reversed."""
    found: list[Pair] = []
    for category, name in enumerate(CLASSES):
        first = category * IMAGES
        for source, target in combinations(range(first, first + IMAGES), 2):
            ends = (target, source) if len(found) % 2 else (source, target)
            here, there = (list(keypoints(world, number)) for number in ends)
            shared = [point for point in here if point in there]
            if len(shared) >= FEWEST:
                found.append(
                    Pair(
                        source=ends[0],
                        target=ends[1],
                        source_points=tuple(here.index(point) for point in shared),
                        target_points=tuple(there.index(point) for point in shared),
                        category=name,
                        difficulty=_difficulty(world, *ends),
                    )
                )
    return tuple(found)


def units(world: int) -> list[tuple[int, ...]]:
    """Return the numbers of the pairs of each image."""
    pairs = list(enumerate(all_pairs(world)))
    images = range(len(CATEGORIES) * IMAGES)
    return [tuple(n for n, pair in pairs if image in (pair.source, pair.target)) for image in images]


def _difficulty(world: int, source: int, target: int) -> dict[str, int]:
    """Return difficulties from 0 to 2: the differences of view and size, and how many are cut off or hidden."""
    scenes = pair_scene(world, source), pair_scene(world, target)
    one, other = (scene.figures[0] for scene in scenes)
    ratio = max(one.view.extent, other.view.extent) / min(one.view.extent, other.view.extent)
    turned = abs(one.view.turn - other.view.turn) > pi / 8
    return {
        "viewpoint": 2 if one.view.yaw * other.view.yaw < 0 else int(turned),
        "scale": (ratio > 1.25) + (ratio > 1.5),
        "truncation": sum(figure.cut_off for figure in (one, other)),
        "occlusion": sum(bool(scene.front) for scene in scenes),
    }
