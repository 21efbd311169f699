"""Masked prediction of visual tokens, as in BEiT (Bao et al., 2022). The tokens are k-means clusters of patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightly.models.utils import patchify, random_block_mask
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

from teachmatters_train.backbone import embed, encode
from teachmatters_train.method import LIGHT, Batch, Corpus, Method, Settings
from teachmatters_train.views import look

MASKED = 0.4
TOKENS = 512
# The number of training images whose patches are clustered.
SAMPLE = 1000


class Beit(Method):
    """Prediction of the cluster of each masked patch; patches are masked in blocks."""

    settings = Settings(rate=1.5e-3)

    def __init__(self, backbone: Any, corpus: Corpus) -> None:
        super().__init__(backbone, corpus)
        self.patch = backbone.patch_embed.patch_size[0]
        centres = torch.from_numpy(visual_tokens(corpus.images, self.patch))
        self.register_buffer("centres", centres)
        self.hidden = nn.Parameter(torch.zeros(1, 1, backbone.embed_dim))
        nn.init.trunc_normal_(self.hidden, std=0.02)
        self.head = nn.Linear(backbone.embed_dim, len(centres))

    def loss(self, batch: Batch, progress: float) -> Tensor:
        pixels, _ = look(batch.images, LIGHT)
        masked = self.mask(len(pixels)).to(pixels.device)
        patches = torch.where(masked[..., None], self.hidden + self._positions(), embed(self.backbone, pixels))
        said = self.head(encode(self.backbone, patches)[:, 1:][masked])
        return F.cross_entropy(said.float(), self.tokens(pixels)[masked])

    def mask(self, count: int) -> Tensor:
        """Return rectangles that together mask about MASKED of each image: bool (B, patches)."""
        grid = self.backbone.patch_embed.grid_size
        masks: Tensor = random_block_mask((count, *grid), 1.0, MASKED, MASKED)
        return masks.flatten(1)

    def tokens(self, pixels: Tensor) -> Tensor:
        """Return the nearest cluster of each patch, int64 (B, patches)."""
        centres: Tensor = self.centres  # type: ignore[assignment]  # a buffer
        with torch.autocast(pixels.device.type, enabled=False):
            nearest: Tensor = torch.cdist(patchify(pixels, self.patch), centres[None]).argmin(dim=-1)
        return nearest

    def _positions(self) -> Tensor:
        positions: Tensor = self.backbone.pos_embed[:, 1:]
        return positions


def visual_tokens(images: NDArray[np.uint8], patch: int) -> NDArray[np.float32]:
    """Cluster the patches of a sample of the images, and return the centres.

    Args:
        images: uint8 (N, 3, side, side).
        patch: side of a patch in pixels.

    Returns:
        float32 (at most TOKENS, 3 * patch²), colours in -1..1.
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(len(images), min(SAMPLE, len(images)), replace=False))
    patches = patchify(torch.from_numpy(images[chosen]).float() / 127.5 - 1, patch).flatten(0, 1)
    clusters = min(TOKENS, max(2, len(patches) // 8))
    means = MiniBatchKMeans(clusters, random_state=0, batch_size=4096, n_init=1, max_iter=10, init_size=4 * clusters)
    with threadpool_limits(1):  # with several threads on busy cores, it takes twenty times as long
        found = means.fit(patches.numpy())
    centres: NDArray[np.float32] = found.cluster_centers_.astype(np.float32)
    return centres
