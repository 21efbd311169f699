"""Self-distillation without labels, as in DINO (Caron et al., 2021), centred as in DINOv2 (Oquab et al., 2024)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from lightly.loss.koleo_loss import KoLeoLoss
from lightly.loss.swav_loss import sinkhorn
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

from teachmatters_train.backbone import class_token
from teachmatters_train.method import PAIRED, Batch, Corpus, Method, Settings
from teachmatters_train.momentum import follow, freeze
from teachmatters_train.views import look

HIDDEN, BOTTLENECK, PROTOTYPES = 384, 64, 64
# The student's temperature.
STUDENT = 0.1
# The teacher's temperature at the start, and after TEACHER_WARM_UP of the training.
TEACHER = (0.03, 0.04)
TEACHER_WARM_UP = 0.3
# The teacher's momentum at the start. It is lower than the published 0.996 because training is a hundred times shorter.
MOMENTUM = 0.99
# The weight of the KoLeo term, which spreads the class tokens of a batch.
KOLEO = 0.1
# The share of patches that the student does not see; it stands in for the small crops of the paper.
DROPPED = 0.5


class Dino(Method):
    """Self-distillation: the student predicts, from one view, the momentum teacher's output for the other."""

    settings = Settings(rate=2e-3)

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__(backbone, corpus)
        self.head = Head(backbone.embed_dim)
        self.teacher = copy.deepcopy(backbone)
        self.teacher_head = copy.deepcopy(self.head)
        freeze(self.teacher, self.backbone)
        freeze(self.teacher_head, self.head)
        self.apart = KoLeoLoss()

    def loss(self, batch: Batch, progress: float) -> Tensor:
        views = torch.cat([look(batch.images, PAIRED)[0] for _ in range(2)])
        size = len(batch.images)
        with torch.no_grad():
            answers = self.teacher_head(class_token(self.teacher, views)).float()
            taught = torch.cat([sinkhorn(each, epsilon=_temperature(progress)) for each in answers.split(size)])
        tokens = class_token(self.backbone, views, DROPPED)
        said = F.log_softmax(self.head(tokens).float() / STUDENT, dim=1)
        crossed = -(taught.roll(size, 0) * said).sum(1).mean()
        apart: Tensor = self.apart(tokens[:size].float()) + self.apart(tokens[size:].float())
        return crossed + KOLEO * apart / 2

    def after_step(self, progress: float) -> None:
        follow({self.teacher: self.backbone, self.teacher_head: self.head}, progress, MOMENTUM)


class Head(nn.Module):
    """A projection of class tokens to cosines with the prototypes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, BOTTLENECK)
        )
        self.prototypes = nn.Parameter(torch.empty(PROTOTYPES, BOTTLENECK))
        nn.init.trunc_normal_(self.prototypes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute the cosines: (B, width) -> (B, PROTOTYPES), -1..1."""
        return F.normalize(self.layers(tokens), dim=1) @ F.normalize(self.prototypes, dim=1).T


def _temperature(progress: float) -> float:
    """Return the teacher's temperature, which rises during the warm-up: its targets are sharpest at the start.

    >>> _temperature(0.0), round(_temperature(0.15), 3), _temperature(1.0)
    (0.03, 0.035, 0.04)
    """
    low, high = TEACHER
    return low + (high - low) * min(1.0, progress / TEACHER_WARM_UP)
