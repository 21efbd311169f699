"""The schedule that all methods share: steps, order of images, learning rates, optimiser and seeds."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BETAS = (0.9, 0.98)
# The largest norm of the gradient.
CLIP = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The size and schedule of a training.

    Attributes:
        images: the number of training images.
        epochs: the number of epochs.
        batch: images per step.
        peak: the peak learning rate.
        warm_up: share of the steps over which the rate rises; it then falls to 0 along half a cosine.
        decay: the weight decay of matrices.
        seed: the seed of the weights, the order of images and their views.
    """

    images: int
    epochs: int
    batch: int
    peak: float = 1e-3
    warm_up: float = 0.05
    decay: float = 0.05
    seed: int = 0

    @property
    def size(self) -> int:
        """Return the images per step: the batch size, or the number of images if it is smaller."""
        return min(self.batch, self.images)

    @property
    def per_epoch(self) -> int:
        """Return the steps per epoch; an incomplete last batch is dropped."""
        return self.images // self.size

    @property
    def steps(self) -> int:
        """Return the total number of steps."""
        return self.per_epoch * self.epochs

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the images of a step (from 0). Each epoch has its own permutation, which needs no earlier step.

        >>> recipe = Recipe(images=5, epochs=2, batch=2)
        >>> recipe.steps, sorted({*recipe.indices(0), *recipe.indices(1)}) == sorted(recipe.indices(0))
        (4, False)
        """
        epoch, position = divmod(step, self.per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.images)
        return order[position * self.size : (position + 1) * self.size]

    def rate(self, step: int) -> float:
        """Return the learning rate of a step (from 0).

        >>> recipe = Recipe(images=100, epochs=1, batch=1, peak=0.001, warm_up=0.1)
        >>> round(recipe.rate(4), 6), recipe.rate(9), round(recipe.rate(54), 6), recipe.rate(99) < 1e-6
        (0.0005, 0.001, 0.0005, True)
        """
        rising = max(1, round(self.warm_up * self.steps))
        if step < rising:
            return self.peak * (step + 1) / rising
        over = (step + 1 - rising) / max(1, self.steps - rising)
        return self.peak * (1 + math.cos(math.pi * over)) / 2


def optimiser_of(method: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Build AdamW with weight decay for matrices, but not for vectors, tokens and position embeddings."""
    trained = [(name, each) for name, each in method.named_parameters() if each.requires_grad]
    free = [each for name, each in trained if _free(name, each)]
    groups = [
        {"params": [each for name, each in trained if not _free(name, each)], "weight_decay": recipe.decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak, betas=BETAS, foreach=True)


def _free(name: str, parameter: nn.Parameter) -> bool:
    tokens = ("cls_token", "pos_embed", "hidden", "positions")
    return parameter.ndim < 2 or name.rpartition(".")[2] in tokens


@contextmanager
def seeded(seed: int, step: int) -> Iterator[None]:
    """Seed the random generators for one step, and restore their state afterwards."""
    mixed = int(np.random.SeedSequence((seed, step)).generate_state(1)[0])
    before = random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(mixed)
        random.seed(mixed)
        try:
            yield
        finally:
            random.setstate(before)
