"""Rename the parameters of transformers' vision transformers to the names of timm or of the authors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from teachmatters.models.weights.finding import StateDict

QKV = ("query", "key", "value")

# Applied in this order to each name; a name that none of them matches stays unchanged.
NAMES: tuple[tuple[str, str], ...] = (
    (r"^vision_model\.", ""),
    (r"^embeddings\.(cls|class|mask|register|distillation)_(token|tokens|embedding)$", r"\1_\2"),
    (r"^class_embedding$", "cls_token"),
    (r"^distillation_token$", "dist_token"),
    (r"^embeddings\.(position_embeddings|position_embedding\.weight)$", "pos_embed"),
    (r"^embeddings\.patch_embeddings?\.(projection\.)?", "patch_embed.proj."),
    (r"^pre_layrnorm\.", "norm_pre."),
    (r"^(layernorm|post_layernorm)\.", "norm."),
    (r"^pooler\.layernorm\.", "fc_norm."),
    (r"^classifier\.", "head."),
    (r"^(encoder\.relative_position_bias|shared_position_bias)\.", "rel_pos_bias."),
    (r"^(encoder\.|model\.)?layers?\.(?=\d)", "blocks."),
    (r"^(blocks\.\d+)\.((attention\.)?attention\.|self_attn\.)?relative_position_bias\.", r"\1.attn."),
    (r"^(blocks\.\d+)\.(attention\.attention|attention|self_attn)\.(query|key|value)\.", r"\1.attn.\3."),
    (r"^(blocks\.\d+)\.(attention|self_attn)\.q_proj\.", r"\1.attn.query."),
    (r"^(blocks\.\d+)\.(attention|self_attn)\.k_proj\.", r"\1.attn.key."),
    (r"^(blocks\.\d+)\.(attention|self_attn)\.v_proj\.", r"\1.attn.value."),
    (r"^(blocks\.\d+)\.(attention\.output\.dense|(attention|self_attn)\.(o_proj|out_proj))\.", r"\1.attn.proj."),
    (r"^(blocks\.\d+)\.(intermediate\.dense|mlp\.up_proj)\.", r"\1.mlp.fc1."),
    (r"^(blocks\.\d+)\.(output\.dense|mlp\.down_proj)\.", r"\1.mlp.fc2."),
    (r"^(blocks\.\d+)\.mlp\.weights_in\.", r"\1.mlp.fc1."),
    (r"^(blocks\.\d+)\.mlp\.weights_out\.", r"\1.mlp.fc2."),
    (r"^(blocks\.\d+)\.(layernorm_before|layer_norm1)\.", r"\1.norm1."),
    (r"^(blocks\.\d+)\.(layernorm_after|layer_norm2)\.", r"\1.norm2."),
    (r"^head\.probe$", "attn_pool.latent"),
    (r"^head\.(layernorm|mlp|attention)\.", r"attn_pool.\1."),
    (r"^attn_pool\.layernorm\.", "attn_pool.norm."),
    (r"^attn_pool\.attention\.out_proj\.", "attn_pool.proj."),
    (r"^(blocks\.\d+)\.lambda_([12])$", r"\1.gamma_\2"),
    (r"^(blocks\.\d+)\.layer_scale([12])\.lambda1$", r"\1.ls\2.gamma"),
)


def from_transformers(state: Mapping[str, Any]) -> StateDict:
    """Rename the parameters of transformers' vision transformers; join query, key and value.

    ViT, DeiT, MAE, BEiT, Data2Vec, MSN, DINOv2, DINOv3, I-JEPA, CLIP and SigLIP.

    Args:
        state: names start at ``embeddings.``, without a prefix.

    Returns:
        the parameters in timm's names; register tokens in the authors' names, for timm's own conversion.
    """
    renamed = {_renamed(name, NAMES): value for name, value in state.items()}
    table = renamed.get("pos_embed")
    if isinstance(table, Tensor) and table.ndim == 2:  # an embedding's weight
        renamed["pos_embed"] = table[None]
    if isinstance(renamed.get("cls_token"), Tensor):
        renamed["cls_token"] = renamed["cls_token"].reshape(1, 1, -1)
    for prefix in sorted({found[0] for name in renamed if (found := re.match(r"blocks\.\d+\.attn\.", name))}):
        _join_attention(renamed, prefix)
    _part_pooling(renamed)
    return renamed


def _part_pooling(state: StateDict) -> None:
    """Split SigLIP's attention pooling: timm keeps the query separate from key and value."""
    for part in ("weight", "bias"):
        joined = state.pop(f"attn_pool.attention.in_proj_{part}", None)
        if isinstance(joined, Tensor):
            width = len(joined) // 3
            state[f"attn_pool.q.{part}"], state[f"attn_pool.kv.{part}"] = joined[:width], joined[width:]


def _join_attention(state: StateDict, prefix: str) -> None:
    join(state, prefix, [f"{each}.weight" for each in QKV], "qkv.weight")
    query, key, value = (state.get(f"{prefix}{each}.bias") for each in QKV)
    if isinstance(query, Tensor) and isinstance(value, Tensor) and key is None:  # BEiT's and DINOv3's keys have none
        if any("relative_position_bias" in name for name in state):
            state[f"{prefix}q_bias"] = state.pop(f"{prefix}query.bias")
            state[f"{prefix}v_bias"] = state.pop(f"{prefix}value.bias")
            return
        state[f"{prefix}key.bias"] = torch.zeros_like(query)
    join(state, prefix, [f"{each}.bias" for each in QKV], "qkv.bias")


def join(state: StateDict, prefix: str, parts: Sequence[str], name: str) -> None:
    """Concatenate parameters that timm keeps in one; do nothing if a part is missing."""
    found = [state[prefix + part] for part in parts if isinstance(state.get(prefix + part), Tensor)]
    if len(found) == len(parts) and len({each.shape[1:] for each in found}) == 1:
        state[prefix + name] = torch.cat(found)
        for part in parts:
            del state[prefix + part]


def _renamed(name: str, table: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name
