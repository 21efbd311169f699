"""An untrained network of timm's, and all of its seeds."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import timm
import torch

from teachmatters.api import ModelRequest, ModelSource, ModelSpec
from teachmatters.errors import TeachMattersError
from teachmatters.models.timm.vit import TimmViT

ARCHITECTURE = "vit_tiny_patch16_224"


# --8<-- [start:source]
def open_tiny(request: ModelRequest) -> ModelSource:
    """Open the network with the request's seed, or the seed in its name.

    Raises:
        TeachMattersError: a file of weights was given.
    """
    if request.weights is not None:
        raise TeachMattersError(f"{request.spec.name} is untrained; use timm/{ARCHITECTURE} with --weights")
    _, _, given = request.spec.name.partition("tiny/")
    seed = int(given or request.seed)

    def build() -> TimmViT:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = timm.create_model(ARCHITECTURE, num_classes=0)
        return TimmViT(network, request.spec.name)

    identity = f"{ARCHITECTURE} seed={seed} torch={version('torch')} timm={version('timm')}"
    return ModelSource(hashlib.sha256(identity.encode()).hexdigest(), build)


# --8<-- [end:source]


# --8<-- [start:prefix]
def resolve(name: str) -> ModelSpec:
    """Return the spec of one seed.

    Raises:
        TeachMattersError: the text after ``tiny/`` is not a seed.
    """
    seed = name.removeprefix("tiny/")
    if not (seed.isascii() and seed.isdecimal()):
        raise TeachMattersError(f"unknown model {name!r}: after tiny/ comes a whole number, the seed, such as tiny/7")
    return ModelSpec(
        name=name,
        family="tiny",
        supervision="none",
        summary=f"untrained ViT-Ti/16, seed {seed}",
        factory="tm_token_norm.model:open_tiny",
    )


# --8<-- [end:prefix]
