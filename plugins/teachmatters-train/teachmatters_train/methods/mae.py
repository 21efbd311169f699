"""Masked pixel reconstruction, as in MAE (He et al., 2022)."""

from __future__ import annotations

from typing import Any

import torch
from lightly.models.utils import get_at_index, patchify, random_token_mask
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

from teachmatters_train.backbone import embed, encode
from teachmatters_train.method import LIGHT, Batch, Corpus, Method, Settings
from teachmatters_train.views import look

MASKED = 0.75
# The decoder's width, depth and heads.
WIDTH, DEPTH, HEADS = 64, 2, 4


class Mae(Method):
    """Reconstruction of masked patches: the encoder sees a quarter of them, a small decoder predicts the others.

    The targets are the pixels of each patch, normalised within the patch.
    """

    settings = Settings(rate=1.5e-3)

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__(backbone, corpus)
        self.patch = backbone.patch_embed.patch_size[0]
        self.patches = backbone.patch_embed.num_patches
        self.enter = nn.Linear(backbone.embed_dim, WIDTH)
        self.hidden = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.zeros(1, 1 + self.patches, WIDTH))
        nn.init.trunc_normal_(self.hidden, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.decoder = nn.Sequential(*(Block(WIDTH, HEADS, qkv_bias=True) for _ in range(DEPTH)), nn.LayerNorm(WIDTH))
        self.paint = nn.Linear(WIDTH, 3 * self.patch**2)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        pixels, _ = look(batch.images, LIGHT)
        kept, masked = self.mask(len(pixels))
        kept, masked = kept.to(pixels.device), masked.to(pixels.device)
        seen = encode(self.backbone, get_at_index(embed(self.backbone, pixels), kept))
        painted = self.decode(seen, kept)
        targets = get_at_index(patchify(pixels, self.patch), masked)
        deviation, mean = torch.std_mean(targets, dim=-1, keepdim=True)
        return F.mse_loss(get_at_index(painted, masked).float(), (targets - mean) / (deviation**2 + 1e-6).sqrt())

    def mask(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the indices of visible patches, (B, a quarter of them), and of masked ones, (B, the others)."""
        kept, masked = random_token_mask((count, self.patches), MASKED, mask_class_token=True)
        return kept, masked

    def decode(self, seen: Tensor, kept: Tensor) -> Tensor:
        """Run the decoder and return its pixels, (B, patches, 3 * patch²)."""
        tokens = self.enter(seen)
        patches = self.hidden.to(tokens.dtype).expand(len(tokens), self.patches, -1)
        patches = patches.scatter(1, kept[..., None].expand(-1, -1, WIDTH), tokens[:, 1:])
        decoded = self.decoder(torch.cat([tokens[:, :1], patches], dim=1) + self.positions)
        painted: Tensor = self.paint(decoded[:, 1:])
        return painted
