"""Open the named models: find and identify the weights, then build the network from them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import ModelRequest, ModelSource, ModelSpec, Size, split_size
from teachmatters.errors import TeachMattersError
from teachmatters.models.networks import create, described, hollow, sized
from teachmatters.models.recipes import RECIPES, Recipe
from teachmatters.models.timm.named import NAMED, TimmNamed

if TYPE_CHECKING:
    from teachmatters.models.timm.vit import TimmViT
    from teachmatters.models.weights.weight_files import Found


def open_named(request: ModelRequest) -> ModelSource:
    """Open a member of a trained family: its published weights, or a file of weights.

    Raises:
        TeachMattersError: the file does not exist or holds another network, or the weights cannot be fetched.
    """
    from teachmatters.models.fetch import hub
    from teachmatters.models.weights import positions, weight_files

    spec, path = request.spec, request.weights
    recipe = recipe_of(spec)
    native = recipe.pixels, recipe.pixels
    if path is not None:
        build = partial(_build_named, spec, path)
        network = described(recipe.architecture, recipe.kwargs, recipe.mean_std)
        return weight_files.source(_find(spec, path), network, spec.size or native, native, build)
    path, digest = hub.find(recipe.origins, recipe.name)
    return ModelSource(positions.identity(digest, spec.size, native), partial(_build_named, spec, path))


def recipe_of(spec: ModelSpec) -> Recipe:
    """Return the recipe of a named model, at any size."""
    return RECIPES[split_size(spec.name)[0]]


def _find(spec: ModelSpec, path: Path) -> Found:
    """Find the network in a file and reject the weights of another family.

    Raises:
        TeachMattersError: no network in the file has that shape, or it belongs to another family.
    """
    from teachmatters.models.weights import refusals, weight_files
    from teachmatters.models.weights.recognise import family_of
    from teachmatters.models.weights.wanted import Wanted

    recipe = recipe_of(spec)
    make = partial(hollow, recipe.architecture, recipe.kwargs)
    wanted = Wanted(spec.name, recipe.arch, recipe.architecture, make, spec.size)
    found = weight_files.find(path, wanted)
    family = family_of(found.match.place, found.match.layout)
    if family not in ("", recipe.family):
        raise refusals.other_family(path, found.match, family, wanted)
    if recipe.family == "moco" and not family:
        told = f"{path} does not say that it is MoCo-v3's: it is read with {recipe.heads} heads"
        return replace(found, remarks=(*found.remarks, told))
    return found


def _build_named(spec: ModelSpec, path: Path) -> TimmViT:
    from teachmatters.models.timm.vit import TimmViT
    from teachmatters.models.weights import weight_files
    from teachmatters.models.weights.supervision import supervision_told

    recipe, found = recipe_of(spec), _find(spec, path)
    network = create(recipe.architecture, sized(recipe.kwargs, spec.size))
    weight_files.fill(network, found)
    return TimmViT(network, spec.name, recipe.arch, recipe.mean_std, supervision_told(found.match))


def open_random(request: ModelRequest) -> ModelSource:
    """Open an untrained network: timm's initialisation from the request's seed.

    Its identity is a hash of the text that determines its weights, so it is known before the network is built.

    Raises:
        TeachMattersError: a file of weights was given.
    """
    spec, recipe = request.spec, recipe_of(request.spec)
    if request.weights is not None:
        raise TeachMattersError(
            f"--weights {request.weights} for {recipe.name}, which is an untrained network; load the file with the "
            f"family that it belongs to, such as dino-{recipe.size}{recipe.patch}, or with timm/{recipe.architecture}"
        )
    text = f"{recipe.architecture} seed={request.seed} torch={version('torch')} timm={version('timm')}"
    text += "" if spec.size is None else f" size={spec.size[0]}x{spec.size[1]}"
    return ModelSource(
        hashlib.sha256(text.encode()).hexdigest(), partial(_build_random, recipe, request.seed, spec.size)
    )


def open_untrained(name: str) -> ModelSource | None:
    """Return the network of a named model without its weights, for speed tests; None for any other model."""
    base, size = split_size(name)
    if base in NAMED:
        return ModelSource("", partial(_build_unfilled, NAMED[base], size))
    recipe = RECIPES.get(base)
    if recipe is None or not recipe.architecture:
        return None
    return ModelSource("", partial(_build_random, recipe, 0, size))


def _build_unfilled(model: TimmNamed, size: Size | None) -> TimmViT:
    from teachmatters.models.timm.vit import TimmViT

    network = create(model.timm_id, {"img_size": size or (model.pixels, model.pixels)})
    return TimmViT(network, model.name, model.arch)


def _build_random(recipe: Recipe, seed: int, size: Size | None) -> TimmViT:
    from teachmatters.models.timm.vit import TimmViT

    network = create(recipe.architecture, sized(recipe.kwargs, size), seed)
    return TimmViT(network, recipe.name, recipe.arch, recipe.mean_std)
