"""Videos: objects that swing, rotate and pass each other in front of a moving camera."""

from __future__ import annotations

from cmath import exp
from dataclasses import replace
from functools import cache
from math import pi, sin

import numpy as np

from teachmatters.datasets.scenes import grounds
from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.figure import Figure, Piece, View, pose, swings
from teachmatters.datasets.scenes.looks import individual
from teachmatters.datasets.scenes.scene import STEP, Scene
from teachmatters.datasets.scenes.seeds import generator

VIDEOS = 8
# The smallest and largest number of frames of a video.
FRAMES = (8, 12)

# A frame's number is video x MOST + frame.
MOST = 100

FIRST = 4 * STEP


@cache
def length(world: int, video: int) -> int:
    """Return the number of frames of a video."""
    return int(generator(world, "video length", video).integers(FRAMES[0], FRAMES[1] + 1))


def frame(world: int, number: int) -> Scene:
    """Return the scene of one frame, a smooth function of time."""
    video, frame_number = divmod(number, MOST)
    time = frame_number / (length(world, video) - 1)
    rng = generator(world, "video", video)
    pan = time * complex(*rng.uniform(-0.25, 0.25, 2))
    light, drift = grounds.light(rng), rng.uniform(-1, 1, 2)
    red, green, blue = (colour * (1 + 0.15 * float(drift[1]) * time) for colour in light.tint)
    light = replace(light, direction=light.direction * exp(0.6j * drift[0] * time), tint=(red, green, blue))
    ground = _panned(grounds.ground(rng, _category(video, 0)), pan)
    clutter = tuple(_moved(piece, pan) for piece in grounds.clutter(rng))
    count = 1 + video % 3
    figures = tuple(_actor(world, video, actor, count, time) for actor in range(count))
    return Scene(ground, clutter, figures, (), light)


def _actor(world: int, video: int, number: int, count: int, time: float) -> Figure:
    """Return one object at a point in time; several objects cross the image's middle from different sides."""
    rng = generator(world, "actor", video, number)
    category = _category(video, number)
    who = individual(world, category, FIRST + 10 * video + number)
    size = float(rng.uniform(0.6, 0.75)) if count == 1 else float(rng.uniform(0.4, 0.5))
    reach = (1 - size) / 2
    start = exp(1j * (2 * pi * number / count + float(rng.uniform(-0.4, 0.4)))) * reach
    bend = complex(*rng.uniform(-0.08, 0.08, 2)) * sin(pi * time)
    grow, spin, pace = rng.uniform(-0.18, 0.18), rng.uniform(-0.5, 0.5), rng.uniform(0.3, 0.7)
    side = 1 if rng.random() < 0.5 else -1
    view = View(
        0.5 + 0.5j + start * (1 - (1.0 if count == 1 else 1.7) * time) + bend,
        size * float(1 + grow * time),
        float(rng.uniform(-0.3, 0.3) + spin * time),
        side * (0.88 + 0.1 * sin(2 * pi * pace * time)),
    )
    turns = 0.85 * np.sin(np.arcsin(swings(rng, category)) + 2 * pi * pace * time)
    return pose(who, turns, view, owner=number)


def _category(video: int, actor: int) -> int:
    return (5 * video + 4 * actor) % len(CATEGORIES)


def _panned(ground: grounds.Ground, pan: complex) -> grounds.Ground:
    """Shift the ground, in units of the image's width."""
    offset, slope = ground.horizon
    return replace(
        ground,
        near=_shifted(ground.near, pan),
        far=ground.far and _shifted(ground.far, pan),
        horizon=(offset + pan.imag - slope * pan.real, slope),
    )


def _shifted(surface: grounds.Surface, pan: complex) -> grounds.Surface:
    along = pan * exp(-1j * surface.turn) * surface.paint.scale
    shift = surface.paint.shift[0] - along.real, surface.paint.shift[1] - along.imag
    return replace(surface, paint=replace(surface.paint, shift=shift))


def _moved(piece: Piece, pan: complex) -> Piece:
    a, b, c, d, e, f = piece.inverse
    back = (a, b, c - a * pan.real - b * pan.imag, d, e, f - d * pan.real - e * pan.imag)
    return replace(piece, outline=piece.outline + pan, inverse=back)
