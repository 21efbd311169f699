"""Networks of timm: built from a seed, or as names and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from teachmatters.api import Size
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from torch import nn


def sized(kwargs: Mapping[str, Any], size: Size | None) -> Mapping[str, Any]:
    """What timm is told of a network at a size."""
    return kwargs if size is None else {**kwargs, "img_size": size}


def create(architecture: str, kwargs: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """Build a network of timm's without a classifier, initialised from a seed.

    The global generators stay as they were.

    Args:
        architecture: timm's name of the network.
        kwargs: what else timm is told, such as ``img_size``: rows and columns of pixels, if not the network's own.
        seed: of the initialisation.

    Raises:
        TeachMattersError: the network cannot be built for that size.
    """
    import timm
    import torch

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
    """Build a network of names and shapes without numbers: it lies on the meta device and takes no memory.

    Args:
        architecture: timm's name of the network.
        kwargs: what else timm is told.
        size: rows and columns of pixels; None for the network's own.
    """
    import torch

    with torch.device("meta"):
        return create(architecture, sized(kwargs, size))
