"""Select the models to check: a large model only if it is named, and a named model only with its own plugin."""

from __future__ import annotations

from collections.abc import Sequence

from teachmatters.api import ModelSpec
from teachmatters.errors import TeachMattersError
from teachmatters.registry import Plugin, load

# Millions of weights above which a model counts as large. A ViT-B has 85 and is checked in seconds; a ViT-L has 302 and
# takes minutes.
LARGE = 200


def by_owner(plugins: Sequence[Plugin], models: Sequence[ModelSpec]) -> dict[str, list[ModelSpec]]:
    """Group the named models by the plugin that offers them or their prefix.

    Raises:
        TeachMattersError: a model belongs to a plugin that is not among these.
    """
    named: dict[str, list[ModelSpec]] = {plugin.name: [] for plugin in plugins}
    for spec in models:
        owner = _owner(spec)
        if owner not in named:
            raise TeachMattersError(
                f"the model {spec.name!r} belongs to the plugin {owner!r}, which is not among those to check; "
                f"'tm plugin check {owner} --model {spec.name}' checks it"
            )
        named[owner].append(spec)
    return named


def _owner(spec: ModelSpec) -> str:
    """Return the plugin that offers a model, or the longest prefix of its name."""
    offers = {one.name: plugin.name for plugin in load().plugins for one in plugin.specs["register_models"]}
    if spec.name in offers:
        return offers[spec.name]
    return offers[max((name for name in offers if name.endswith("/") and spec.name.startswith(name)), key=len)]


def weights(spec: ModelSpec) -> int:
    """Estimate the weights of a plain ViT in millions, with 64 channels per head; 0 if the spec lacks the shape.

    >>> weights(ModelSpec(name="l", family="l", supervision="", summary="", depth=24, heads=16))
    302
    """
    return round(12 * spec.depth * (64 * spec.heads) ** 2 / 1e6)


def smaller(spec: ModelSpec, plugin: Plugin) -> ModelSpec | None:
    """Return the smallest model with the family and code of a large one; None if it is not large or the only one."""
    kin = [one for one in plugin.specs["register_models"] if (one.family, one.factory) == (spec.family, spec.factory)]
    least = min((one for one in kin if weights(one)), key=weights, default=spec)
    return least if weights(least) <= LARGE < weights(spec) else None
