"""Resample a file's position tables to the grid of a network, as the network's own code does."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

from teachmatters.api import Size

TABLE = "pos_embed"
BIASES = "relative_position_bias_table"

# Increased whenever the resampled numbers change; part of a model's identity at any size but its native one.
REVISION = 2

# Added by DINOv2's authors to the target grid; their features at 224 depend on it.
OFFSET = 0.1


def identity(weights: str, size: Size | None, native: Size) -> str:
    """Return the identity of weights at an image size, because resampled positions change the numbers.

    Args:
        weights: the identity of the weights themselves, in hex.
        size: rows and columns of pixels that the network was built for; None for the native size.
        native: rows and columns of pixels of the native size.

    Returns:
        ``weights`` at the native size, else a sha256 in hex of weights, size and REVISION.

    >>> identity("ab", (224, 224), (224, 224)), len(identity("ab", (384, 384), (224, 224)))
    ('ab', 64)
    """
    if size is None or size == native:
        return weights
    return hashlib.sha256(f"{weights} size={size[0]}x{size[1]} positions={REVISION}".encode()).hexdigest()


def depends_on_size(key: str) -> bool:
    """Return whether the shape of a parameter, named as timm names it, depends on the size of the images.

    >>> depends_on_size("pos_embed"), depends_on_size("blocks.0.attn.relative_position_bias_table")
    (True, True)
    >>> depends_on_size("blocks.0.attn.qkv.weight")
    False
    """
    return key == TABLE or key.endswith("." + BIASES)


def fit(network: Any, state: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Resample the position tables of a state dict to the grid of a network.

    A table of absolute positions is read as a square grid after as many rows as the network has for its class token;
    if that is impossible, after one row or none. A table without a square grid is left unchanged.

    Args:
        network: built by timm for the requested size.
        state: parameters in timm's naming.

    Returns:
        the state with its tables resampled, and a short description of the change; empty without a change.
    """
    fitted, done = dict(state), ""
    for key, table in state.items():
        if not (depends_on_size(key) and isinstance(table, Tensor)):
            continue
        if key == TABLE:
            fitted[key], said = _absolute(network, table)
        else:
            fitted[key], said = _relative(network, key, table)
        done = done or said
    return fitted, done


def resample(table: Tensor, grid: tuple[int, int], prefix: int, *, authors: bool = False) -> Tensor:
    """Resample a table of absolute positions from its square grid to another.

    Args:
        table: (1, prefix + M * M, D).
        grid: rows and columns of patches.
        prefix: rows before the grid; they are copied.
        authors: interpolate as DINOv2's authors do for their networks without registers: bicubic, not antialiased,
            scaled by (rows + 0.1) / M and (columns + 0.1) / M. Otherwise as timm does: bicubic, antialiased, to the
            exact size.

    Returns:
        (1, prefix + rows * columns, D), of the table's dtype.
    """
    side = math.isqrt(table.shape[1] - prefix)
    if grid == (side, side):
        return table
    if not authors:
        from timm.layers.pos_embed import resample_abs_pos_embed

        resampled: Tensor = resample_abs_pos_embed(table, list(grid), [side, side], num_prefix_tokens=prefix)
        return resampled
    square = table[:, prefix:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scales = [(length + OFFSET) / side for length in grid]
    patches = F.interpolate(square, scale_factor=scales, mode="bicubic", antialias=False)
    flat = patches.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1)
    return torch.cat([table[:, :prefix], flat.to(table.dtype)], dim=1)


def interpolates_as_dinov2(architecture: str) -> bool:
    """Return whether a network of timm is a DINOv2 without registers; with registers, its authors interpolate as timm.

    >>> interpolates_as_dinov2("vit_small_patch14_dinov2"), interpolates_as_dinov2("vit_small_patch14_reg4_dinov2")
    (True, False)
    """
    return architecture.endswith("_dinov2") and "_reg" not in architecture


def _absolute(network: Any, table: Tensor) -> tuple[Tensor, str]:
    own, grid = getattr(network, TABLE, None), getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if own is None or grid is None or table.ndim != 3 or own.ndim != 3:
        return table, ""
    counted = 0 if getattr(network, "no_embed_class", False) else int(network.num_prefix_tokens)
    prefix = next((rows for rows in (counted, 1, 0) if _is_square(table.shape[1] - rows)), None)
    side = 0 if prefix is None else math.isqrt(table.shape[1] - prefix)
    rows, columns = int(grid[0]), int(grid[1])
    if prefix is None or (side, side) == (rows, columns):
        return table, ""
    authors = interpolates_as_dinov2(network.pretrained_cfg["architecture"])
    how = "as DINOv2's authors do, not antialiased" if authors else "antialiased"
    said = f"positions of {side} x {side} patches resampled to {rows} x {columns} (bicubic, {how})"
    return resample(table, (rows, columns), prefix, authors=authors), said


def _relative(network: nn.Module, key: str, table: Tensor) -> tuple[Tensor, str]:
    from timm.layers.pos_embed_rel import resize_rel_pos_bias_table

    try:
        module: Any = network.get_submodule(key.removesuffix("." + BIASES))
        own, window = module.relative_position_bias_table, module.window_size
    except AttributeError:
        return table, ""
    beyond = len(own) - (2 * window[0] - 1) * (2 * window[1] - 1)
    if table.ndim != 2 or not _is_square(len(table) - beyond) or table.shape[1] != own.shape[1]:
        return table, ""
    side = (math.isqrt(len(table) - beyond) + 1) // 2
    if (side, side) == tuple(window):
        return table, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about the speed of timm's call; the user cannot change it
        resampled = resize_rel_pos_bias_table(table, new_window_size=window, new_bias_shape=own.shape)
    said = f"relative positions of {side} x {side} patches resampled to {window[0]} x {window[1]}"
    return resampled, said


def _is_square(number: int) -> bool:
    return number > 0 and math.isqrt(number) ** 2 == number
