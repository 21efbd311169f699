"""InfoNCE between two lists of embeddings whose entries correspond (van den Oord et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)


def info_nce(queries: Tensor, keys: Tensor, scale: Tensor | float) -> Tensor:
    """Cross-entropy of finding each query's key among all keys of the batch.

    lightly's NTXentLoss also counts the other queries as negatives (SimCLR); neither CLIP nor MoCo-v3 does.

    Args:
        queries: (B, C), of any length; they are normalised here.
        keys: the same.
        scale: of the cosines: 1 / temperature.

    >>> float(info_nce(torch.eye(2), torch.eye(2), 100.0))
    0.0
    """
    wide = torch.promote_types(queries.dtype, torch.float32)
    with torch.autocast(queries.device.type, enabled=False):  # a cosine of 0.99 is too near 1 for bfloat16
        cosines = F.normalize(queries.to(wide), dim=1) @ F.normalize(keys.to(wide), dim=1).T
    return F.cross_entropy(cosines * scale, torch.arange(len(queries), device=queries.device))
