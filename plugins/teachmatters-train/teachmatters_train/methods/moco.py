"""Momentum contrast without a queue: MoCo-v3 (Chen et al., 2021)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from teachmatters_train.backbone import class_token
from teachmatters_train.contrast import info_nce
from teachmatters_train.method import Batch, Corpus, Method, Settings, mlp
from teachmatters_train.momentum import follow, freeze
from teachmatters_train.views import View, look

HIDDEN, WIDTH = 512, 128
SCALE = 1 / 0.2
MOMENTUM = 0.99
"""Of the momentum encoder at the start, as published."""

# Two small parts, which seldom show the same: what they share is how the thing and its ground are patterned, and that
# goes with the category. Two large ones share a silhouette, a light and a place, which tell an image from all others
# and nothing of what it shows. Hue turns all the way, since its colours tell an individual from all others too.
VIEW = View(size=32, area=(0.15, 0.5), colours=(0.4, 0.5), grey=0.2)


class Moco(Method):
    """Each view finds the other among the batch's, as a momentum encoder sees them."""

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
        views = [look(batch.images, VIEW)[0] for _ in range(2)]
        both = torch.cat(views)
        half = len(batch.images)
        tokens = self.projector[0](class_token(self.backbone, both)).split(half)
        queries = [self.predictor(self._rest(self.projector, part)) for part in tokens]
        with torch.no_grad():
            tokens = self.teacher_projector[0](class_token(self.teacher, both)).split(half)
            keys = [self._rest(self.teacher_projector, part) for part in tokens]
        # the paper's 2 * temperature: the size of the loss stays as without one
        return (info_nce(queries[0], keys[1], SCALE) + info_nce(queries[1], keys[0], SCALE)) * 2 / SCALE

    def _rest(self, projector: Any, part: Tensor) -> Tensor:
        """What comes after the first layer, for one view at a time: batch norms must not mix the views."""
        rest: Tensor = projector[1:](part)
        return rest

    def after_step(self, progress: float) -> None:
        follow({self.teacher: self.backbone, self.teacher_projector: self.projector}, progress, MOMENTUM)
