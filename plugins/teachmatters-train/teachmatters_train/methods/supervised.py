"""Supervised classification with cross-entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

from teachmatters_train.backbone import class_token
from teachmatters_train.method import LIGHT, Batch, Corpus, Method, Settings
from teachmatters_train.views import look

# The share of patches dropped in training.
DROPPED = 0.5


class Supervised(Method):
    """A linear classifier on the class token."""

    settings = Settings(rate=1e-3)
    needs = "labels"

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__(backbone, corpus)
        self.head = nn.Linear(backbone.embed_dim, corpus.classes)
        self.register_buffer("labels", torch.tensor(corpus.labels), persistent=False)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        pixels, _ = look(batch.images, LIGHT)
        labels: Tensor = self.labels[batch.indices]  # type: ignore[index]  # a buffer
        return F.cross_entropy(self.head(class_token(self.backbone, pixels, DROPPED)).float(), labels)
