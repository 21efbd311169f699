"""Check whether a model's weights are on this machine, without a network and without torch."""

from __future__ import annotations

from teachmatters.api import ModelSpec, split_size
from teachmatters.models.fetch.hub import cached
from teachmatters.models.recipes import RECIPES

HUB = "huggingface.co/"

# The licence of a model without weights.
NOTHING = "none needed"


def weights_here(spec: ModelSpec) -> str:
    """Return ``yes``, ``no``, ``part of the package``, ``none needed``, or an empty text if it is unknown.

    For a model that is not built in, the places are read from its source: addresses and
    ``huggingface.co/<repository>``, joined by " or ".

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
    """Return the addresses and repositories in a spec's source."""
    return [part.removeprefix(HUB) for part in source.split(" or ") if "://" in part or part.startswith(HUB)]
