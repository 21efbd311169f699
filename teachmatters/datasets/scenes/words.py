"""Captions of scenes, with varied wording."""

from __future__ import annotations

import numpy as np

from teachmatters.datasets.scenes.categories import CATEGORIES
from teachmatters.datasets.scenes.figure import Figure
from teachmatters.datasets.scenes.scene import Scene
from teachmatters.datasets.scenes.seeds import one_of

PATTERNS = (
    "{thing} {verb}{side} {place}{rest}",
    "{place}, {thing}{rest}",
    "an image of {thing} {verb}{side}{rest}",
    "{thing} {place}{rest}",
    "{thing}{side}, {verb} {place}{rest}",
    "{verb}{side} {place}: {thing}{rest}",
)

PLACES = ("over {}", "before {}", "against {}", "with {} behind it")
DIM, BRIGHT = 0.8, 1.07


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe the main object, its look and place, and what else is visible."""
    figure = scene.figures[0]
    words = {
        "thing": thing(figure),
        "verb": one_of(rng, CATEGORIES[figure.who.category].verbs),
        "side": _side(figure, rng),
        "place": one_of(rng, PLACES).format(scene.ground.name),
        "rest": _rest(scene, rng),
    }
    return one_of(rng, PATTERNS).format(**words)


def thing(figure: Figure) -> str:
    """Describe an individual.

    >>> from teachmatters.datasets.scenes.scene import labelled
    >>> thing(labelled(0, "val", 0).figures[0])
    'a banded green bird'
    """
    who = figure.who
    coat = () if who.coat == "plain" else (who.coat,)
    words = " ".join((*coat, who.colour, CATEGORIES[who.category].name))
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _side(figure: Figure, rng: np.random.Generator) -> str:
    """Describe the direction it faces; sometimes omitted, and always for objects without sides."""
    if not CATEGORIES[figure.who.category].sided or rng.random() < 0.25:
        return ""
    side = "left" if figure.view.yaw < 0 else "right"
    return one_of(rng, (" facing {}", " looking {}", " turned {}", " to the {}")).format(side)


def _rest(scene: Scene, rng: np.random.Generator) -> str:
    """Describe the occluder, the other objects and the light, each with high probability."""
    said = ""
    if scene.front_name and rng.random() < 0.9:
        said += f", behind a {scene.front_name}"
    if len(scene.figures) > 1 and rng.random() < 0.8:
        said += f", {_beside(scene.figures[0], scene.figures[1])}"
    exposure = scene.light.tint[1]
    if rng.random() < 0.5 and not DIM < exposure < BRIGHT:
        said += ", in dim light" if exposure < 1 else ", in bright light"
    return said


def _beside(main: Figure, other: Figure) -> str:
    """Describe the position of the smaller object relative to the larger one."""
    way = other.view.middle - main.view.middle
    level = "above" if way.imag < 0 else "below"
    side = "left" if way.real < 0 else "right"
    return f"with {thing(other)} {level} it to the {side}"
