"""Whether a model's weights are already on this machine, told without a network and without torch."""

from __future__ import annotations

from teachmatters.api import ModelSpec, split_size
from teachmatters.models.fetch.hub import cached
from teachmatters.models.recipes import RECIPES

HUB = "huggingface.co/"

# What the licence of a model without weights says.
NOTHING = "none needed"


def weights_here(spec: ModelSpec) -> str:
    """``yes``, ``no``, ``part of the package``, ``none needed``, or nothing where the source does not tell.

    Of a model that is not built in, the source is read: addresses and ``huggingface.co/<repository>``, joined by
    " or ".

    >>> from teachmatters.models.specs import register_models
    >>> {spec.name: weights_here(spec) for spec in register_models()}["noise-b16"]
    'none needed'
    """
    recipe = RECIPES.get(split_size(spec.name)[0])
    if spec.licence == NOTHING or (recipe is not None and not recipe.origins):
        return NOTHING
    if "part of the package" in spec.source:
        return "part of the package"
    places = recipe.origins if recipe is not None else _places(spec.source)
    if spec.resolve or not places:
        return ""
    return "yes" if any(cached(place) for place in places) else "no"


def _places(source: str) -> list[str]:
    """The addresses and repositories that a spec's source names."""
    return [part.removeprefix(HUB) for part in source.split(" or ") if "://" in part or part.startswith(HUB)]
