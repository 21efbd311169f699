"""Read the tokens and blocks of a timm network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from teachmatters.api import ModelInfo
from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.recipes import RGB

BLOCK_PARTS = ("norm1", "attn", "drop_path1", "norm2", "mlp", "drop_path2")

# The usual letter of a plain ViT, by width.
LETTERS = {192: "Ti", 384: "S", 768: "B", 1024: "L", 1280: "H"}


def blocks_of(network: nn.Module, name: str) -> Sequence[nn.Module]:
    """Return the blocks of a network; each has the parts in ``BLOCK_PARTS``.

    Raises:
        TeachMattersError: the network has no blocks, or a block lacks a part; the message names it.
    """
    blocks = getattr(network, "blocks", None)
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or not len(blocks):
        raise _refusal(name, "it has no sequence called 'blocks'")
    for number, block in enumerate(blocks, 1):
        lacking = [part for part in BLOCK_PARTS if not isinstance(getattr(block, part, None), nn.Module)]
        if lacking:
            raise _refusal(name, f"block {number} ({type(block).__name__}) has no {listing(lacking)}")
        if not isinstance(getattr(block.attn, "num_heads", None), int):
            raise _refusal(name, f"the attention of block {number} does not show its number of heads")
    return list(blocks)


def describe(network: Any, name: str, arch: str, mean_std: tuple[RGB, RGB]) -> ModelInfo:
    """Return the shape of a built network.

    The tokens are read from the parameters: ``num_prefix_tokens`` alone does not distinguish class token and registers.

    Args:
        network: built by timm.
        name: for messages.
        arch: ``ViT-B/16``; if empty, derived from width and patch size.
        mean_std: mean and standard deviation of each channel.

    Raises:
        TeachMattersError: the blocks of the network cannot be read.
    """
    blocks = blocks_of(network, name)
    size = _size(network)
    grid = _grid(network, name, size)
    patch = size[0] // grid[0]
    width = int(network.embed_dim)
    class_token, registers = _prefix(network)
    return ModelInfo(
        arch=arch or (f"ViT-{LETTERS[width]}/{patch}" if width in LETTERS else f"ViT-{width}/{patch}"),
        depth=len(blocks),
        heads=int(blocks[0].attn.num_heads),  # type: ignore[union-attr,arg-type]  # checked by blocks_of
        width=width,
        patch_size=patch,
        image_size=min(size),
        grid=grid,
        class_token=class_token,
        registers=registers,
        mean=mean_std[0],
        std=mean_std[1],
        mlp_width=_mlp_width(blocks, width),
        last_norm=_last_norm(network),
    )


def _mlp_width(blocks: Sequence[Any], width: int) -> int:
    """Return the inputs of the blocks' last linear layer, ``mlp.fc2`` in all of timm's MLPs; 0 if they have none."""
    layers = [getattr(block.mlp, "fc2", None) for block in blocks]
    inputs = {layer.in_features for layer in layers if isinstance(layer, nn.Linear) and layer.out_features == width}
    return inputs.pop() if len(inputs) == 1 and all(isinstance(layer, nn.Linear) for layer in layers) else 0


def _last_norm(network: Any) -> Literal["", "tokens", "pooled"]:
    if not isinstance(getattr(network, "norm", nn.Identity()), nn.Identity):
        return "tokens"
    return "" if isinstance(getattr(network, "fc_norm", nn.Identity()), nn.Identity) else "pooled"


def _prefix(network: Any) -> tuple[bool, int]:
    holder = getattr(network, "embeds", network)  # NaFlex keeps its tokens in a separate module
    counts = [_count(holder, token) for token in ("cls_token", "dist_token", "reg_token")]
    return counts[0] > 0, max(counts[0] - 1, 0) + counts[1] + counts[2]


def _count(holder: Any, token: str) -> int:
    parameter = getattr(holder, token, None)
    return 0 if parameter is None else int(parameter.shape[-2])


def _size(network: Any) -> tuple[int, int]:
    """Return the height and width of the images."""
    embedding = getattr(network, "patch_embed", None)
    height, width = getattr(embedding, "img_size", None) or network.pretrained_cfg["input_size"][-2:]
    return int(height), int(width)


def _grid(network: Any, name: str, size: tuple[int, int]) -> tuple[int, int]:
    embedding = getattr(network, "patch_embed", None)
    if embedding is None:  # NaFlex
        patch = network.embeds.patch_size[0]
        return size[0] // patch, size[1] // patch
    grid = getattr(embedding, "grid_size", None)
    if grid is None:
        raise _refusal(name, "its patch embedding does not show its grid of patches")
    return int(grid[0]), int(grid[1])


def _refusal(name: str, why: str) -> TeachMattersError:
    return TeachMattersError(
        f"{name} cannot be read layer by layer: {why}. A plain vision transformer is needed, one with "
        f"{', '.join(BLOCK_PARTS)} in every block, such as timm/vit_base_patch16_224.dino"
    )
