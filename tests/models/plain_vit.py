"""A vision transformer written from the papers, in plain torch functions; shares no code with timm or the package."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Taps = dict[tuple[int, str], Tensor]


def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-6) * weight + bias


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def embed(state: dict[str, Tensor], pixels: Tensor, patch: int) -> Tensor:
    """Patches cut out one by one, projected, behind the class token, plus positions."""
    weight, bias = state["patch_embed.proj.weight"].flatten(1), state["patch_embed.proj.bias"]
    height, width = pixels.shape[-2:]
    cut = [
        pixels[:, :, top : top + patch, left : left + patch].flatten(1) @ weight.T + bias
        for top in range(0, height, patch)
        for left in range(0, width, patch)
    ]
    first = state["cls_token"][0].expand(len(pixels), 1, -1)
    return torch.cat([first, torch.stack(cut, 1)], 1) + state["pos_embed"]


def attend(x: Tensor, state: dict[str, Tensor], name: str, heads: int) -> tuple[Tensor, Tensor]:
    """Attention (B, H, T, T) and output, head by head."""
    size = x.shape[-1] // heads
    q, k, v = (x @ state[f"{name}.qkv.weight"].T + state[f"{name}.qkv.bias"]).chunk(3, -1)
    maps, outputs = [], []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = torch.einsum("bid,bjd->bij", q[..., part], k[..., part]) / math.sqrt(size)
        weights = torch.exp(scores - scores.amax(-1, keepdim=True))
        maps.append(weights / weights.sum(-1, keepdim=True))
        outputs.append(maps[-1] @ v[..., part])
    return torch.stack(maps, 1), torch.cat(outputs, -1) @ state[f"{name}.proj.weight"].T + state[f"{name}.proj.bias"]


def plain_vit(state: dict[str, Tensor], pixels: Tensor, *, patch: int, depth: int, heads: int) -> Taps:
    """Every tap of every layer."""
    taps: Taps = {}
    x = embed(state, pixels, patch)
    for layer in range(1, depth + 1):
        block = {key.split(".", 2)[2]: value for key, value in state.items() if key.startswith(f"blocks.{layer - 1}.")}
        taps[layer, "attn_skip"] = x
        taps[layer, "norm1"] = norm(x, block["norm1.weight"], block["norm1.bias"])
        taps[layer, "attention"], branch = attend(taps[layer, "norm1"], block, "attn", heads)
        taps[layer, "attn_branch"] = branch
        taps[layer, "mlp_skip"] = x = x + branch
        taps[layer, "norm2"] = norm(x, block["norm2.weight"], block["norm2.bias"])
        hidden = gelu(taps[layer, "norm2"] @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"])
        taps[layer, "mlp_branch"] = hidden @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"]
        taps[layer, "block"] = x = x + taps[layer, "mlp_branch"]
    return taps
