"""A vision transformer written from the papers, in plain torch functions; shares no code with timm or the package.

It has what the five official networks differ in: CLIP's norm before the first block, bias-free patches and quick GELU;
BEiT's relative positions instead of absolute ones, key without bias, and scaled branches.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Taps = dict[tuple[int, str], Tensor]
State = dict[str, Tensor]


def norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps) * weight + bias


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def quick_gelu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def embed(state: State, pixels: Tensor, patch: int, eps: float) -> Tensor:
    """Patches cut out one by one, projected, behind the class token, plus positions, normed where CLIP is."""
    weight = state["patch_embed.proj.weight"].flatten(1)
    bias = state.get("patch_embed.proj.bias", torch.zeros(len(weight)))
    height, width = pixels.shape[-2:]
    cut = [
        pixels[:, :, top : top + patch, left : left + patch].flatten(1) @ weight.T + bias
        for top in range(0, height, patch)
        for left in range(0, width, patch)
    ]
    first = state["cls_token"][0].expand(len(pixels), 1, -1)
    tokens = torch.cat([first, torch.stack(cut, 1)], 1) + state.get("pos_embed", torch.zeros(1))
    if "norm_pre.weight" in state:
        return norm(tokens, state["norm_pre.weight"], state["norm_pre.bias"], eps)
    return tokens


def relative_bias(table: Tensor, side: int) -> Tensor:
    """(H, T, T): a row of the table for each offset (query minus key), three more for to, from and within the class."""
    bias = torch.zeros(table.shape[1], side * side + 1, side * side + 1)
    bias[:, 0, 1:], bias[:, 1:, 0], bias[:, 0, 0] = table[-3][:, None], table[-2][:, None], table[-1]
    for query in range(side * side):
        for key in range(side * side):
            down, right = query // side - key // side, query % side - key % side
            bias[:, 1 + query, 1 + key] = table[(down + side - 1) * (2 * side - 1) + right + side - 1]
    return bias


def attend(x: Tensor, state: State, heads: int, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Attention (B, H, T, T) and output, head by head."""
    width = x.shape[-1]
    size = width // heads
    offset = state.get("attn.qkv.bias")
    if offset is None:
        offset = torch.cat([state["attn.q_bias"], torch.zeros(width), state["attn.v_bias"]])
    q, k, v = (x @ state["attn.qkv.weight"].T + offset).chunk(3, -1)
    maps, outputs = [], []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = torch.einsum("bid,bjd->bij", q[..., part], k[..., part]) / math.sqrt(size) + bias[head]
        weights = torch.exp(scores - scores.amax(-1, keepdim=True))
        maps.append(weights / weights.sum(-1, keepdim=True))
        outputs.append(maps[-1] @ v[..., part])
    return torch.stack(maps, 1), torch.cat(outputs, -1) @ state["attn.proj.weight"].T + state["attn.proj.bias"]


def plain_vit(
    state: State,
    pixels: Tensor,
    *,
    patch: int,
    depth: int,
    heads: int,
    activation: Callable[[Tensor], Tensor] = gelu,
    eps: float = 1e-6,
) -> Taps:
    """Every tap of every layer."""
    taps: Taps = {}
    x = embed(state, pixels, patch, eps)
    bias = torch.zeros(heads, 1, 1)
    if "rel_pos_bias.relative_position_bias_table" in state:
        bias = relative_bias(state["rel_pos_bias.relative_position_bias_table"], pixels.shape[-1] // patch)
    for layer in range(1, depth + 1):
        block = {key.split(".", 2)[2]: value for key, value in state.items() if key.startswith(f"blocks.{layer - 1}.")}
        taps[layer, "attn_skip"] = x
        taps[layer, "norm1"] = norm(x, block["norm1.weight"], block["norm1.bias"], eps)
        taps[layer, "attention"], branch = attend(taps[layer, "norm1"], block, heads, bias)
        taps[layer, "attn_branch"] = branch * block.get("gamma_1", 1)
        taps[layer, "mlp_skip"] = x = x + taps[layer, "attn_branch"]
        taps[layer, "norm2"] = norm(x, block["norm2.weight"], block["norm2.bias"], eps)
        hidden = activation(taps[layer, "norm2"] @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"])
        taps[layer, "mlp_hidden"] = hidden
        branch = hidden @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"]
        taps[layer, "mlp_branch"] = branch * block.get("gamma_2", 1)
        taps[layer, "block"] = x = x + taps[layer, "mlp_branch"]
    return taps
