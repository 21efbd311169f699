"""The InfoNCE loss of paired embeddings (van den Oord et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)


def info_nce(queries: Tensor, keys: Tensor, scale: Tensor | float) -> Tensor:
    """Compute the cross-entropy of picking each query's key among all keys of the batch.

    Unlike lightly's NTXentLoss (SimCLR), it does not use the other queries as negatives, as in CLIP and MoCo-v3.

    Args:
        queries: (B, C); normalised here.
        keys: (B, C); normalised here. Row i is the key of query i.
        scale: the factor of the cosines, 1 / temperature.

    Returns:
        the mean loss, 0-d.

    >>> float(info_nce(torch.eye(2), torch.eye(2), 100.0))
    0.0
    """
    wide = torch.promote_types(queries.dtype, torch.float32)
    with torch.autocast(queries.device.type, enabled=False):  # bfloat16 cannot tell a cosine of 0.99 from 1
        cosines = F.normalize(queries.to(wide), dim=1) @ F.normalize(keys.to(wide), dim=1).T
    return F.cross_entropy(cosines * scale, torch.arange(len(queries), device=queries.device))
