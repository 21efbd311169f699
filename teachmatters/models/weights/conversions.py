"""Rename the parameters of each official layout to timm's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from teachmatters.models.weights.finding import StateDict
from teachmatters.models.weights.transformers_names import QKV, join

Renaming: TypeAlias = Sequence[tuple[str, str]]

BEIT_TABLE = "rel_pos_bias.relative_position_bias_table"


def from_beit(state: Mapping[str, Any]) -> StateDict:
    """Give every block the one table of relative positions that pre-training shares."""
    own = {key: value for key, value in state.items() if key != BEIT_TABLE}
    if BEIT_TABLE in state:
        for block in _numbers(state, r"blocks\.(\d+)\."):
            own[f"blocks.{block}.attn.relative_position_bias_table"] = state[BEIT_TABLE]
    return own


CLIP: Renaming = (
    (r"^conv1\.", "patch_embed.proj."),
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"^proj$", "head.weight"),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def from_clip(state: Mapping[str, Any]) -> StateDict:
    """Rename the image tower of OpenAI's CLIP, and of the many that are trained in its code.

    Args:
        state: without ``visual.``.
    """
    renamed = _renamed(state, CLIP)
    for name in ("cls_token", "pos_embed"):
        if isinstance(renamed.get(name), Tensor):
            renamed[name] = renamed[name].reshape(1, -1, renamed[name].shape[-1])
    return renamed


AUGREG: Renaming = (
    (r"^Transformer/encoderblock_(\d+)/", r"blocks.\1."),
    (r"^(Transformer/posembed_input/)?pos_embedding$", "pos_embed"),
    (r"^Transformer/encoder_norm/", "norm."),
    (r"^embedding/", "patch_embed.proj."),
    (r"^cls$", "cls_token"),
    (r"LayerNorm_0/", "norm1."),
    (r"LayerNorm_[12]/", "norm2."),
    (r"MultiHeadDotProductAttention_\d/out/", "attn.proj."),
    (r"MultiHeadDotProductAttention_\d/", "attn."),
    (r"MlpBlock_\d/Dense_0/", "mlp.fc1."),
    (r"MlpBlock_\d/Dense_1/", "mlp.fc2."),
    (r"scale$", "weight"),
    (r"/", "."),
)


def from_augreg(state: Mapping[str, Any]) -> StateDict:
    """Convert Google's arrays: kernels are (in, out), attention is split by head, convolutions are (y, x, in, out)."""
    renamed: StateDict = {}
    for key, value in _renamed(state, AUGREG).items():
        if isinstance(value, Tensor):
            is_kernel = key.endswith(".kernel")
            name = key.removesuffix("kernel") + "weight" if is_kernel else key
            renamed[name] = _kernel(key, value) if is_kernel else _flat_bias(key, value)
    for block in _numbers(renamed, r"blocks\.(\d+)\."):
        for part in ("weight", "bias"):
            join(renamed, f"blocks.{block}.attn.", [f"{each}.{part}" for each in QKV], f"qkv.{part}")
    return renamed


def _kernel(key: str, value: Tensor) -> Tensor:
    if value.ndim == 4:
        return value.permute(3, 2, 0, 1)
    if value.ndim == 3:  # (in, heads, size), or (heads, size, out) for the projection after them
        value = value.reshape(-1, value.shape[-1]) if "attn.proj" in key else value.reshape(len(value), -1)
    return value.T


def _flat_bias(key: str, value: Tensor) -> Tensor:
    return value.reshape(-1) if re.search(r"attn\.(query|key|value)\.bias$", key) else value


def _renamed(state: Mapping[str, Any], table: Renaming) -> StateDict:
    renamed = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in table:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def _numbers(state: Mapping[str, Any], pattern: str) -> list[int]:
    return sorted({int(found[1]) for found in (re.match(pattern, key) for key in state) if found})
