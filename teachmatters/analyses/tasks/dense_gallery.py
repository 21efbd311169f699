"""The patches of the gallery of the dense analysis: a bank of neighbours, and the sums of a ridge regression."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import Context, Row
from teachmatters.errors import TeachMattersError
from teachmatters.measures.ridge import RidgeFit, RidgeSums, ridge
from teachmatters.measures.tasks.dense import bank_patches, neighbour_labels, patch_labels

PENALTY = 1e-2
BANK_BLOCK = 32768


class PatchGallery:
    """The patches of the gallery that both predictors keep, in the order of its images.

    Args:
        context: the context of the analysis.
        classes: the number of classes.

    Raises:
        TeachMattersError: the bank is smaller than the gallery.
    """

    def __init__(self, context: Context, classes: int) -> None:
        self.context, self.classes = context, classes
        self.patches = 0  # with a label
        self.each = context.parameters["bank"] // len(context.items["gallery"])
        if "dense-knn-miou" in context.metrics and not self.each:
            images = len(context.items["gallery"])
            raise TeachMattersError(
                f"a bank of {context.parameters['bank']} patches is smaller than the gallery of {images} images; give "
                f"--param bank={images} or more"
            )
        self.bank: dict[int, list[Tensor]] = defaultdict(list)
        self.bank_labels: list[Tensor] = []
        self.sums: dict[int, RidgeSums] = {}
        self.fits: dict[int, RidgeFit] = {}

    def add(self, layer: int, tokens: Tensor, rows: Sequence[Row], masks: Sequence[NDArray[np.uint8]]) -> None:
        """Add tokens (B, N, D) of unit length of one layer, with the semantic masks of their images."""
        if layer == 1:
            self._label(rows, masks, tokens.device)
        flat = tokens.flatten(0, 1)
        if "dense-knn-miou" in self.context.metrics:
            self.bank[layer].append(flat[self.chosen])
        if "dense-ridge-miou" in self.context.metrics and len(self.labelled):
            sums = RidgeSums.of(flat[self.labelled], self.labels[self.labelled])
            self.sums[layer] = self.sums[layer] + sums if layer in self.sums else sums

    def _label(self, rows: Sequence[Row], masks: Sequence[NDArray[np.uint8]], device: torch.device) -> None:
        """Label the patches of a batch, and choose those that enter the bank."""
        patch, labels, chosen = self.context.model.patch_size, [], []
        for number, (row, mask) in enumerate(zip(rows, masks, strict=True)):
            own = patch_labels(mask, row.grid, patch, self.classes)
            draws = 1 - np.random.default_rng((self.context.seed, row.index)).random(len(own))
            chosen.append(number * len(own) + bank_patches(own, self.each, draws))
            labels.append(own)
        self.labels = torch.from_numpy(np.concatenate(labels)).to(device)
        self.labelled = self.labels.any(dim=1).nonzero()[:, 0]
        self.patches += len(self.labelled)
        self.chosen = torch.from_numpy(np.concatenate(chosen)).to(device)
        self.bank_labels.append(self.labels[self.chosen])

    def predict(self, metric: str, layer: int, tokens: Tensor) -> Tensor:
        """Predict the label distributions (B * N, C) of the patches of queries, tokens (B, N, D).

        Raises:
            TeachMattersError: no patch of the gallery has a label.
        """
        if not self.patches:
            raise TeachMattersError("no patch of the gallery has a class; check its masks ('tm datasets NAME')")
        flat = tokens.flatten(0, 1)
        if metric == "dense-knn-miou":
            bank = torch.split(self._joined(layer), BANK_BLOCK)
            return neighbour_labels(flat, bank, self.bank_labels[0], self.context.parameters["neighbours"])
        if layer not in self.fits:
            self.fits[layer] = ridge(self.sums.pop(layer), PENALTY)
        return self.fits[layer].predict(flat)

    def _joined(self, layer: int) -> Tensor:
        """Return the bank of a layer (M, D) as one tensor."""
        if len(self.bank_labels) > 1:
            self.bank_labels = [torch.cat(self.bank_labels)]
        if len(self.bank[layer]) > 1:
            self.bank[layer] = [torch.cat(self.bank[layer])]
        return self.bank[layer][0]
