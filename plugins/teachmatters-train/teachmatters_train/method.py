"""The contract of a method: what the training loop asks of each kind of supervision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from teachmatters_train.views import View

# The view of the methods that need only light augmentation: a large crop and a random horizontal flip.
LIGHT = View()

# The view of dino and moco, which compare two views of an image. Crops are resized to 48 pixels, so that objects keep
# about the size they have in the whole image of 64. Hue varies over the full circle: otherwise colours alone would
# identify an image. Objects of the data set are tilted at random, so the views are too.
PAIRED = View(size=48, area=(0.5, 1.0), colours=(0.4, 0.5), grey=0.2, rotation=40.0)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The training set in memory.

    Attributes:
        images: uint8 (N, 3, 64, 64); may be a memory map.
        labels: int64 (N,), or None.
        classes: number of classes.
        captions: one for each image; empty if it has none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    classes: int
    captions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of images.

    Attributes:
        images: uint8 (B, 3, 64, 64), on the device.
        indices: int64 (B,), their positions in the corpus, on the device.
    """

    images: Tensor
    indices: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The optimiser's settings for one method. docs/training.md lists the trials that chose them.

    Attributes:
        rate: the peak learning rate.
        batch: images per step.
        warm_up: share of the steps over which the rate rises.
        decay: the weight decay of matrices.
    """

    rate: float
    batch: int = 64
    warm_up: float = 0.05
    decay: float = 0.05


class Method(nn.Module):
    """A backbone with the heads and losses of one kind of supervision.

    Attributes:
        backbone: the network whose weights are kept.
        settings: the optimiser's settings.
        needs: what every image must have: ``labels``, ``captions`` or an empty string.
    """

    settings: ClassVar[Settings]
    needs: ClassVar[str] = ""

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__()
        self.backbone = backbone

    @abstractmethod
    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Compute the loss of one step.

        Args:
            batch: the images.
            progress: the completed share of the training, 0..1.
        """

    def after_step(self, progress: float) -> None:
        """Run after each step of the optimiser, for example to update a momentum teacher. By default, do nothing."""

    def before_step(self, progress: float) -> None:
        """Run between the backward pass and the optimiser's step. By default, do nothing."""


def mlp(*widths: int, norm: bool = False) -> nn.Sequential:
    """Build an MLP with GELU between its layers; with ``norm``, batch norm follows each layer, as in MoCo-v3."""
    layers: list[nn.Module] = []
    for position, (given, made) in enumerate(pairwise(widths), start=2):
        last = position == len(widths)
        layers.append(nn.Linear(given, made, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(made, affine=not last))
        if not last:
            layers.append(nn.GELU())
    return nn.Sequential(*layers)
