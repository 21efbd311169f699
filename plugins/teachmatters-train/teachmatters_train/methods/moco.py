"""Momentum contrast without a queue, as in MoCo-v3 (Chen et al., 2021)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from teachmatters_train.backbone import class_token
from teachmatters_train.contrast import info_nce
from teachmatters_train.method import PAIRED, Batch, Corpus, Method, Settings, mlp
from teachmatters_train.momentum import follow, freeze
from teachmatters_train.views import look

HIDDEN, WIDTH = 512, 128
SCALE = 1 / 0.2
# The momentum at the start, as published.
MOMENTUM = 0.99

# The share of patches that the queries' encoder does not see.
DROPPED = 0.5


class Moco(Method):
    """Contrast of two views: each must find the other among the momentum encoder's embeddings of the batch."""

    settings = Settings(rate=2e-3)

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__(backbone, corpus)
        self.projector = mlp(backbone.embed_dim, HIDDEN, HIDDEN, WIDTH, norm=True)
        self.predictor = mlp(WIDTH, HIDDEN, WIDTH, norm=True)
        self.teacher = copy.deepcopy(backbone)
        self.teacher_projector = copy.deepcopy(self.projector)
        freeze(self.teacher, self.backbone)
        freeze(self.teacher_projector, self.projector)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        views = [look(batch.images, PAIRED)[0] for _ in range(2)]
        both = torch.cat(views)
        half = len(batch.images)
        tokens = self.projector[0](class_token(self.backbone, both, DROPPED)).split(half)
        queries = [self.predictor(self._rest(self.projector, part)) for part in tokens]
        with torch.no_grad():
            tokens = self.teacher_projector[0](class_token(self.teacher, both)).split(half)
            keys = [self._rest(self.teacher_projector, part) for part in tokens]
        # the paper's factor 2 * temperature keeps the size of the loss independent of the temperature
        return (info_nce(queries[0], keys[1], SCALE) + info_nce(queries[1], keys[0], SCALE)) * 2 / SCALE

    def _rest(self, projector: Any, part: Tensor) -> Tensor:
        """Run the layers after the first for one view, because batch norm must not mix the views."""
        rest: Tensor = projector[1:](part)
        return rest

    def after_step(self, progress: float) -> None:
        follow({self.teacher: self.backbone, self.teacher_projector: self.projector}, progress, MOMENTUM)
