"""From a request to weights that are found and identified, and the way to build the network from them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import ModelRequest, ModelSource
from teachmatters.errors import TeachMattersError
from teachmatters.models.recipes import RECIPES, Recipe

LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    from torch import nn

    from teachmatters.models.timm_vit import TimmViT


def open_named(request: ModelRequest) -> ModelSource:
    """A member of a trained family: its published weights, or a file in the official or in timm's own layout.

    Raises:
        TeachMattersError: no such file, or weights that are in no cache and cannot be fetched.
    """
    from teachmatters.models import checkpoints, hub

    recipe, path = RECIPES[request.spec.name], request.weights
    if path is not None:
        return ModelSource(checkpoints.identify(path), partial(_build_named, recipe, path))
    path, digest = hub.find(recipe.origins, recipe.name)
    return ModelSource(digest, partial(_build_named, recipe, path))


def _build_named(recipe: Recipe, path: Path) -> TimmViT:
    from teachmatters.models import checkpoints, recognise, state_dicts
    from teachmatters.models.supervision import supervision_told
    from teachmatters.models.timm_vit import TimmViT

    found = recognise.recognise(checkpoints.read(path), path)
    if recipe.family == "moco" and found.layout == "timm":
        LOG.warning("%s does not say that it is MoCo-v3's: it is read with %d heads", path, recipe.heads)
    network = create(recipe.architecture, recipe.kwargs)
    state_dicts.check_model(found, recipe, network, path)
    state_dicts.load(network, found.state, found.layout, path, recipe.arch)
    told = supervision_told(found.layout, found.state)
    return TimmViT(network, recipe.name, recipe.arch, recipe.colours, told)


def open_random(request: ModelRequest) -> ModelSource:
    """An untrained network: timm's initialisation from the request's seed.

    Its identity is the text that determines its weights, so nothing has to be built to know it.

    Raises:
        TeachMattersError: a file of weights was given.
    """
    recipe = RECIPES[request.spec.name]
    if request.weights is not None:
        raise TeachMattersError(
            f"--weights {request.weights} for {recipe.name}, which is an untrained network; load the file with the "
            f"family that it belongs to, such as dino-{recipe.size}{recipe.patch}, or with timm/{recipe.architecture}"
        )
    text = f"{recipe.architecture} seed={request.seed} torch={version('torch')} timm={version('timm')}"
    return ModelSource(hashlib.sha256(text.encode()).hexdigest(), partial(_build_random, recipe, request.seed))


def open_untrained(name: str) -> ModelSource | None:
    """The network of a member of a trained family without its weights, for trying out how fast it is; else None."""
    recipe = RECIPES.get(name)
    if recipe is None or not recipe.architecture:
        return None
    return ModelSource("", partial(_build_random, recipe, 0))


def _build_random(recipe: Recipe, seed: int) -> TimmViT:
    from teachmatters.models.timm_vit import TimmViT

    return TimmViT(create(recipe.architecture, recipe.kwargs, seed), recipe.name, recipe.arch, recipe.colours)


def create(architecture: str, kwargs: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """A network of timm's without a classifier, initialised from a seed; the global generators stay as they were."""
    import timm
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: timm initialises there
        network: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=0, **kwargs)
    return network
