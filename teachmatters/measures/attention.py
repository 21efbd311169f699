"""How far a head looks."""

from __future__ import annotations

import torch
from torch import Tensor


def patch_distances(grid: tuple[int, int]) -> Tensor:
    """Euclidean distances between the patches of a grid, its longer side being 1.

    Args:
        grid: rows and columns, h and w.

    Returns:
        float64 (h w, h w), patches row by row.

    >>> patch_distances((1, 3))[0].tolist()
    [0.0, 0.5, 1.0]
    """
    rows, columns = grid
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    points = torch.stack([x.flatten(), y.flatten()], dim=1).double() / max(rows - 1, columns - 1, 1)
    difference = points[:, None] - points[None]
    return difference.square().sum(dim=-1).sqrt()


def attention_distance(attention: Tensor, distances: Tensor) -> tuple[Tensor, Tensor]:
    """Average distance that spatial tokens attend over, prefix tokens left aside.

    Rows of the spatial queries are renormalised over the spatial keys; a row without mass counts as 0.

    Args:
        attention: (B, H, T, T) softmax output, rows are queries; the last h w tokens are the patches.
        distances: (h w, h w) from patch_distances, on the same device.

    Returns:
        the mean over queries, (B, H), between 0 and sqrt(2); and the number of rows without mass, 0-d.

    Source:
        Dosovitskiy et al. 2021, "An image is worth 16x16 words"; Raghu et al. 2021, "Do vision transformers see like
        convolutional neural networks?".

    >>> look_at_yourself = torch.eye(4).expand(1, 1, 4, 4)
    >>> attention_distance(look_at_yourself, patch_distances((2, 2)))[0].item()
    0.0
    """
    patches = distances.shape[0]
    spatial = attention[..., -patches:, -patches:]
    mass = spatial.sum(dim=-1)
    path = torch.einsum("bhqk,qk->bhq", spatial, distances.to(spatial.dtype))
    empty = mass <= 0
    per_query = (path / mass).masked_fill_(empty, 0.0)
    return per_query.mean(dim=-1), empty.sum()
