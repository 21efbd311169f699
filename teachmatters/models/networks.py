"""Build networks of timm: initialised from a seed, or without numbers on the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from teachmatters.api import Size
from teachmatters.errors import TeachMattersError
from teachmatters.models.recipes import RGB

if TYPE_CHECKING:
    from torch import nn


def sized(kwargs: Mapping[str, Any], size: Size | None) -> Mapping[str, Any]:
    """Return timm's keyword arguments with the image size added."""
    return kwargs if size is None else {**kwargs, "img_size": size}


def described(architecture: str, kwargs: Mapping[str, Any], mean_std: tuple[RGB, RGB]) -> str:
    """Describe a network's computation apart from its parameters; part of the identity of a file.

    Equal parameters give other numbers with another activation, another number of heads, or another normalisation of
    the images, and none of these is a parameter.

    Args:
        architecture: timm's name of the network.
        kwargs: further arguments for timm.
        mean_std: mean and standard deviation of the three channels.

    >>> described("vit_small_patch16_224", {"num_heads": 12}, ((0.5,) * 3, (0.5,) * 3))
    "vit_small_patch16_224 [('num_heads', 12)] mean=(0.5, 0.5, 0.5) std=(0.5, 0.5, 0.5)"
    """
    mean, std = map(tuple, mean_std)
    return f"{architecture} {sorted(kwargs.items())} mean={mean} std={std}"


def create(architecture: str, kwargs: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """Build a network of timm's without a classifier, initialised from a seed.

    The global generators stay as they were.

    Args:
        architecture: timm's name of the network.
        kwargs: further arguments for timm, such as ``img_size``: rows and columns of pixels, if not the native size.
        seed: the seed of the initialisation.

    Raises:
        TeachMattersError: the network cannot be built for that size.
    """
    import torch

    from teachmatters.models.timm.lean_timm import timm

    given, size = dict(kwargs), kwargs.get("img_size")
    naflex = architecture.startswith("naflexvit")  # which takes images of any size as they come
    if naflex:
        given.pop("img_size", None)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: timm initialises there
        try:
            network: Any = timm.create_model(architecture, pretrained=False, num_classes=0, **given)
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            if size is None:
                raise
            raise TeachMattersError(
                f"timm cannot build {architecture} for images of {size} pixels ({error}); leave the size out, or "
                "choose another"
            ) from None
    if size is not None and naflex:
        network.pretrained_cfg = {**network.pretrained_cfg, "input_size": (3, *size)}
    built: nn.Module = network
    return built


def hollow(architecture: str, kwargs: Mapping[str, Any], size: Size | None = None) -> nn.Module:
    """Build a network on the meta device: names and shapes only, without memory for the numbers.

    Args:
        architecture: timm's name of the network.
        kwargs: further arguments for timm.
        size: rows and columns of pixels; None for the native size.
    """
    import torch

    from teachmatters.models.initialisation import SkippedInitialisation
    from teachmatters.models.timm.lean_timm import postponed_compiler

    with SkippedInitialisation(), torch.device("meta"), postponed_compiler():
        return create(architecture, sized(kwargs, size))
