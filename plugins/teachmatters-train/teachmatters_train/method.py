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

LIGHT = View()
"""The one view of the methods that need no other: a light crop, perhaps mirrored."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The training set, drawn.

    Attributes:
        images: uint8 (N, 3, 64, 64), perhaps a memory map.
        labels: int64 (N,), or None.
        classes: number of classes.
        captions: one for each image, empty where nothing is known.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    classes: int
    captions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some images of the corpus.

    Attributes:
        images: uint8 (B, 3, 64, 64), on the device.
        indices: int64 (B,): which ones they are, on the device.
    """

    images: Tensor
    indices: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The optimiser's settings of one method, chosen by the trials that docs/training.md lists.

    Attributes:
        rate: the highest learning rate.
        batch: images a step.
        warm_up: share of the steps in which the rate rises.
        decay: weight decay of matrices.
    """

    rate: float
    batch: int = 64
    warm_up: float = 0.05
    decay: float = 0.05


class Method(nn.Module):
    """A backbone and what its supervision adds to it.

    Attributes:
        backbone: the network that is kept in the end.
        settings: of the optimiser.
        needs: ``labels``, ``captions`` or nothing.
    """

    settings: ClassVar[Settings]
    needs: ClassVar[str] = ""

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__()
        self.backbone = backbone

    @abstractmethod
    def loss(self, batch: Batch, progress: float) -> Tensor:
        """The loss of one step.

        Args:
            batch: the images.
            progress: how much of the training is over, 0..1.
        """

    def after_step(self, progress: float) -> None:
        """What follows a step of the optimiser, such as a momentum teacher's. Nothing, by default."""

    def before_step(self, progress: float) -> None:
        """What comes between the gradients and the optimiser. Nothing, by default."""


def mlp(*widths: int, norm: bool = False) -> nn.Sequential:
    """Linear layers with GELU between them; with ``norm``, batch norm after each, as MoCo-v3 has it."""
    layers: list[nn.Module] = []
    for position, (given, made) in enumerate(pairwise(widths), start=2):
        last = position == len(widths)
        layers.append(nn.Linear(given, made, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(made, affine=not last))
        if not last:
            layers.append(nn.GELU())
    return nn.Sequential(*layers)
