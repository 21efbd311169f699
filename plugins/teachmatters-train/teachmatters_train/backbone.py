"""Pieces of the ViT forward pass, for methods that resize the position embedding or drop patches."""

from __future__ import annotations

from typing import Any

import torch
from lightly.models.utils import get_at_index
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)


def embed(network: Any, pixels: Tensor) -> Tensor:
    """Embed the patches and add their positions, without the class token.

    Args:
        network: a plain timm VisionTransformer with a class token.
        pixels: (B, 3, h, w), normalised; h and w are multiples of the patch size. Positions are interpolated if the
            grid differs from the network's.

    Returns:
        (B, patches, width).
    """
    patches = network.patch_embed.proj(pixels)
    grid = patches.shape[-2:]
    tokens: Tensor = patches.flatten(2).transpose(1, 2) + _positions(network, grid)
    return tokens


def encode(network: Any, patches: Tensor) -> Tensor:
    """Run all blocks and the last norm.

    Args:
        network: as in ``embed``.
        patches: (B, patches, width), any subset of the patches, with positions added.

    Returns:
        (B, 1 + patches, width), the class token first.
    """
    first = (network.cls_token + network.pos_embed[:, :1]).expand(len(patches), -1, -1)
    tokens: Tensor = network.norm(network.blocks(torch.cat([first, patches], dim=1)))
    return tokens


def class_token(network: Any, pixels: Tensor, dropped: float = 0.0) -> Tensor:
    """Return the class token after the last norm.

    Args:
        network: as in ``embed``.
        pixels: (B, 3, h, w), as in ``embed``.
        dropped: share of the patches to drop, chosen at random for each image (Li et al., 2023). Dropping half of them
            more than halves the time of a step.

    Returns:
        (B, width).
    """
    patches = embed(network, pixels)
    if dropped:
        count = patches.shape[1]
        order = torch.rand(len(patches), count).argsort(dim=1)[:, : count - round(dropped * count)]
        patches = get_at_index(patches, order.to(patches.device))
    return encode(network, patches)[:, 0]


def _positions(network: Any, grid: torch.Size) -> Tensor:
    own = network.patch_embed.grid_size
    positions: Tensor = network.pos_embed[:, 1:]
    if tuple(grid) == tuple(own):
        return positions
    square = positions.reshape(1, *own, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(square, size=tuple(grid), mode="bicubic", antialias=True, align_corners=False)
    return resized.flatten(2).transpose(1, 2)
