"""Describe the network that a checkpoint file should fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from teachmatters.api import Size

if TYPE_CHECKING:
    from torch import nn

# Builds the network without numbers (on the meta device), for images of a size; of its own size for None.
Make: TypeAlias = "Callable[[Size | None], nn.Module]"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The network that a file should fill.

    Attributes:
        name: the name of the model, for messages.
        arch: ``ViT-S/16``.
        architecture: timm's name of the network.
        make: see Make.
        size: requested image size; then a file of any size fits, and its positions are resampled.
    """

    name: str
    arch: str
    architecture: str
    make: Make
    size: Size | None = None
