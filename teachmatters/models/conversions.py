"""From each official naming of a vision transformer's parameters to timm's; nothing is dropped that load() must see."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from teachmatters.models.recipes import Layout

StateDict: TypeAlias = "dict[str, Any]"
Renaming: TypeAlias = Sequence[tuple[str, str]]

MOCO_ENCODER = "base_encoder."
MOCO_TRAINING = ("momentum_encoder.", "predictor.", MOCO_ENCODER + "head.")
"""What only MoCo's training needed."""

BEIT_TABLE = "rel_pos_bias.relative_position_bias_table"


def from_moco(state: Mapping[str, Any]) -> StateDict:
    """The base encoder without its projector."""
    kept = {key: value for key, value in state.items() if not key.startswith(MOCO_TRAINING)}
    return {key.removeprefix(MOCO_ENCODER): value for key, value in kept.items()}


def from_beit(state: Mapping[str, Any]) -> StateDict:
    """The one table of relative positions, which pre-training shares, becomes every block's own."""
    own = {key: value for key, value in state.items() if key != BEIT_TABLE}
    if BEIT_TABLE in state:
        for block in _numbers(state, r"blocks\.(\d+)\."):
            own[f"blocks.{block}.attn.relative_position_bias_table"] = state[BEIT_TABLE]
    return own


BEIT_HF: Renaming = (
    (r"^beit\.", ""),
    (r"^embeddings\.(cls_token|mask_token)", r"\1"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.relative_position_bias\.", "rel_pos_bias."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.attention\.relative_position_bias\.", ".attn."),
    (r"\.attention\.attention\.(query|key|value)\.weight", r".attn.\1"),
    (r"\.attention\.attention\.query\.bias", ".attn.q_bias"),
    (r"\.attention\.attention\.value\.bias", ".attn.v_bias"),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.lambda_([12])$", r".gamma_\1"),
    (r"^layernorm\.", "norm."),
    (r"^pooler\.layernorm\.", "fc_norm."),
    (r"^classifier\.", "head."),
)


def from_beit_hf(state: Mapping[str, Any]) -> StateDict:
    """Transformers' BEiT: query, key (which has no bias) and value are joined, the rest is renamed."""
    renamed = _renamed(state, BEIT_HF)
    for block in _numbers(renamed, r"blocks\.(\d+)\."):
        _join(renamed, f"blocks.{block}.attn.", ("query", "key", "value"), "qkv.weight")
    return from_beit(renamed)


CLIP_VISUAL = "visual."
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
    """The image tower of OpenAI's state dict; the text tower beside it is left out."""
    tower = {key.removeprefix(CLIP_VISUAL): value for key, value in state.items() if key.startswith(CLIP_VISUAL)}
    renamed = _renamed(tower, CLIP)
    for name in ("cls_token", "pos_embed"):
        if isinstance(renamed.get(name), Tensor):
            renamed[name] = renamed[name].reshape(1, -1, renamed[name].shape[-1])
    return renamed


AUGREG: Renaming = (
    (r"^opt/target/", ""),
    (r"^Transformer/encoderblock_(\d+)/", r"blocks.\1."),
    (r"^Transformer/posembed_input/pos_embedding$", "pos_embed"),
    (r"^Transformer/encoder_norm/", "norm."),
    (r"^embedding/", "patch_embed.proj."),
    (r"^cls$", "cls_token"),
    (r"LayerNorm_0/", "norm1."),
    (r"LayerNorm_2/", "norm2."),
    (r"MultiHeadDotProductAttention_1/out/", "attn.proj."),
    (r"MultiHeadDotProductAttention_1/", "attn."),
    (r"MlpBlock_3/Dense_0/", "mlp.fc1."),
    (r"MlpBlock_3/Dense_1/", "mlp.fc2."),
    (r"scale$", "weight"),
    (r"/", "."),
)


def from_augreg(state: Mapping[str, Any]) -> StateDict:
    """Google's arrays: kernels are (in, out), attention has its heads apart, convolutions are (y, x, in, out)."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    renamed: StateDict = {}
    for key, value in _renamed(arrays, AUGREG).items():
        is_kernel = key.endswith(".kernel")
        array = _kernel(key, value) if is_kernel else _flat_bias(key, value)
        renamed[key.removesuffix("kernel") + "weight" if is_kernel else key] = torch.from_numpy(array.copy())
    for block in _numbers(renamed, r"blocks\.(\d+)\."):
        for part in ("weight", "bias"):
            _join(
                renamed,
                f"blocks.{block}.attn.",
                [f"{each}.{part}" for each in ("query", "key", "value")],
                f"qkv.{part}",
            )
    return renamed


def _kernel(key: str, value: Any) -> Any:
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if value.ndim == 3:  # (in, heads, size), or (heads, size, out) behind them
        value = value.reshape(-1, value.shape[-1]) if "attn.proj" in key else value.reshape(len(value), -1)
    return value.T


def _flat_bias(key: str, value: Any) -> Any:
    return value.reshape(-1) if re.search(r"attn\.(query|key|value)\.bias$", key) else value


def _renamed(state: Mapping[str, Any], table: Renaming) -> StateDict:
    renamed = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in table:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def _join(state: StateDict, prefix: str, parts: Sequence[str], name: str) -> None:
    """Stack parameters that timm keeps in one; where one is missing nothing is joined, and load() says so."""
    found = [state[prefix + part] for part in parts if isinstance(state.get(prefix + part), Tensor)]
    if len(found) == len(parts) and len({each.shape[1:] for each in found}) == 1:
        state[prefix + name] = torch.cat(found)
        for part in parts:
            del state[prefix + part]


def _numbers(state: Mapping[str, Any], pattern: str) -> list[int]:
    return sorted({int(found[1]) for found in (re.match(pattern, key) for key in state) if found})


CONVERSIONS: dict[Layout, Callable[[Mapping[str, Any]], StateDict]] = {
    "timm": dict,
    "mae": dict,
    "moco": from_moco,
    "beit": from_beit,
    "beit-hf": from_beit_hf,
    "clip": from_clip,
    "augreg": from_augreg,
}
