"""Weights of tiny networks in every published layout, made from one state dict in timm's naming."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

State = dict[str, Tensor]

WIDTH, HEADS, SIDE, PATCH = 48, 3, 4, 16
TINY: dict[str, Any] = {"embed_dim": WIDTH, "num_heads": HEADS, "depth": 2, "img_size": SIDE * PATCH, "num_classes": 0}


def network(architecture: str = "vit_base_patch16_224", seed: int = 0, **kwargs: Any) -> nn.Module:
    """Random everywhere: no bias, scale or position stays at its initial 0 or 1."""
    made: nn.Module = timm.create_model(architecture, **TINY | kwargs).eval()
    numbers = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=numbers) * 0.2)
    return made


def state(architecture: str = "vit_base_patch16_224", **kwargs: Any) -> State:
    return dict(network(architecture, **kwargs).state_dict())


def mae(plain: State, *, decoder: bool, arguments: bool) -> dict[str, Any]:
    more = {"mask_token": torch.zeros(1, 1, 8), "decoder_blocks.0.norm1.weight": torch.ones(8)} if decoder else {}
    training = {"epoch": 800, "args": argparse.Namespace(lr=1e-4)} if arguments else {}
    return {"model": plain | more} | training


def moco(plain: State) -> dict[str, Any]:
    """With momentum encoder and predictor; the other encoder's numbers differ."""
    head = {"head.0.weight": torch.zeros(4, 4), "head.1.running_mean": torch.zeros(4)}
    both = {f"module.base_encoder.{key}": value for key, value in (plain | head).items()}
    both |= {f"module.momentum_encoder.{key}": value + 1 for key, value in (plain | head).items()}
    both["module.predictor.0.weight"] = torch.zeros(4, 4)
    return {"epoch": 300, "arch": "vit_small", "state_dict": both, "optimizer": {"state": {}, "param_groups": []}}


def beit_shared() -> State:
    """BEiT's pre-training: one table for all blocks."""
    made = state("beit_base_patch16_224", global_pool="token")
    tables = [key for key in made if key.endswith("relative_position_bias_table")]
    shared = made[tables[0]]
    return {key: value for key, value in made.items() if key not in tables} | {
        "rel_pos_bias.relative_position_bias_table": shared
    }


def beit(shared: State) -> dict[str, Any]:
    more = {
        "mask_token": torch.zeros(1, 1, WIDTH),
        "lm_head.weight": torch.zeros(8, WIDTH),
        "lm_head.bias": torch.zeros(8),
        "rel_pos_bias.relative_position_index": torch.zeros(17, 17, dtype=torch.long),
    }
    return {"model": shared | more}


def beit_hf(shared: State) -> State:
    """As transformers' BeitForMaskedImageModeling saves itself."""
    made: State = {
        "beit.embeddings.cls_token": shared["cls_token"],
        "beit.embeddings.mask_token": torch.zeros(1, 1, WIDTH),
        "lm_head.weight": torch.zeros(8, WIDTH),
        "lm_head.bias": torch.zeros(8),
    }
    table = "relative_position_bias_table"
    made[f"beit.encoder.relative_position_bias.{table}"] = shared[f"rel_pos_bias.{table}"]
    made["beit.encoder.relative_position_bias.relative_position_index"] = torch.zeros(17, 17, dtype=torch.long)
    for part in ("weight", "bias"):
        made[f"layernorm.{part}"] = shared[f"norm.{part}"]
        made[f"beit.embeddings.patch_embeddings.projection.{part}"] = shared[f"patch_embed.proj.{part}"]
    modules = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    for number in range(2):
        old, new = f"blocks.{number}.", f"beit.encoder.layer.{number}."
        for ours, theirs in modules.items():
            for part in ("weight", "bias"):
                made[f"{new}{theirs}.{part}"] = shared[f"{old}{ours}.{part}"]
        for name, weight in zip(("query", "key", "value"), shared[f"{old}attn.qkv.weight"].chunk(3), strict=True):
            made[f"{new}attention.attention.{name}.weight"] = weight.clone()
        made[f"{new}attention.attention.query.bias"] = shared[f"{old}attn.q_bias"]
        made[f"{new}attention.attention.value.bias"] = shared[f"{old}attn.v_bias"]
        for branch in (1, 2):
            made[f"{new}lambda_{branch}"] = shared[f"{old}gamma_{branch}"]
    return made


def clip_openai(plain: State) -> State:
    """As OpenAI's own CLIP names it, both towers, in half precision."""
    made: State = {
        "visual.class_embedding": plain["cls_token"].flatten(),
        "visual.positional_embedding": plain["pos_embed"][0],
        "visual.conv1.weight": plain["patch_embed.proj.weight"],
        "visual.proj": torch.zeros(WIDTH, 8),
        "positional_embedding": torch.zeros(77, 8),
        "transformer.resblocks.0.ln_1.weight": torch.zeros(8),
        "logit_scale": torch.tensor(1.0),
    }
    names = {
        "norm1.": "ln_1.",
        "norm2.": "ln_2.",
        "attn.qkv.": "attn.in_proj_",
        "attn.proj.": "attn.out_proj.",
        "mlp.fc1.": "mlp.c_fc.",
        "mlp.fc2.": "mlp.c_proj.",
    }
    for part in ("weight", "bias"):
        made[f"visual.ln_pre.{part}"], made[f"visual.ln_post.{part}"] = plain[f"norm_pre.{part}"], plain[f"norm.{part}"]
        for number in range(2):
            for ours, theirs in names.items():
                made[f"visual.transformer.resblocks.{number}.{theirs}{part}"] = plain[f"blocks.{number}.{ours}{part}"]
    return {key: value.half() for key, value in made.items()}


def augreg(seed: int = 0) -> dict[str, Any]:
    """Google's arrays for the tiny network, with a classifier."""
    numbers = np.random.default_rng(seed)
    size, hidden = WIDTH // HEADS, 4 * WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "embedding/kernel": (PATCH, PATCH, 3, WIDTH),
        "embedding/bias": (WIDTH,),
        "cls": (1, 1, WIDTH),
        "Transformer/posembed_input/pos_embedding": (1, SIDE * SIDE + 1, WIDTH),
        "Transformer/encoder_norm/scale": (WIDTH,),
        "Transformer/encoder_norm/bias": (WIDTH,),
        "head/kernel": (WIDTH, 10),
        "head/bias": (10,),
    }
    for number in range(2):
        block = f"Transformer/encoderblock_{number}/"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            shapes |= {f"{block}{norm}/scale": (WIDTH,), f"{block}{norm}/bias": (WIDTH,)}
        attention = f"{block}MultiHeadDotProductAttention_1/"
        for name in ("query", "key", "value"):
            shapes |= {f"{attention}{name}/kernel": (WIDTH, HEADS, size), f"{attention}{name}/bias": (HEADS, size)}
        shapes |= {f"{attention}out/kernel": (HEADS, size, WIDTH), f"{attention}out/bias": (WIDTH,)}
        mlp = f"{block}MlpBlock_3/"
        shapes |= {f"{mlp}Dense_0/kernel": (WIDTH, hidden), f"{mlp}Dense_0/bias": (hidden,)}
        shapes |= {f"{mlp}Dense_1/kernel": (hidden, WIDTH), f"{mlp}Dense_1/bias": (WIDTH,)}
    return {name: numbers.standard_normal(shape).astype(np.float32) * 0.2 for name, shape in shapes.items()}


def halved(plain: State) -> State:
    """What is left of numbers that were stored in half precision."""
    return {key: value.half().float() for key, value in plain.items()}
