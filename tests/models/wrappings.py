"""The layouts of published files and the outcome of reading each, for docs/models.md and a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models import official

State = dict[str, Tensor]

PLAIN = "vit_base_patch16_224"
QUICK = "vit_base_patch16_clip_quickgelu_224"
REGISTERS = "vit_small_patch14_reg4_dinov2"


@dataclass(frozen=True)
class Wrapping:
    """One line of the table.

    Attributes:
        layout, wrapper, prefix: as the table shows them; of two, the first is taken.
        make: makes the file's content from the parameters that are to be read and from others.
        architecture: of the tiny network.
        name: what follows FILE as #NAME.
        refused: words of the error; empty where the file is read.
    """

    layout: str
    wrapper: str
    prefix: str
    make: Callable[[State, State], Mapping[str, Any]]
    architecture: str = PLAIN
    name: str = ""
    refused: str = ""


@cache
def parameters(architecture: str, seed: int = 0) -> State:
    """Return the parameters of a tiny network."""
    more = {"patch_size": 16} if "patch14" in architecture else {}
    return dict(official.network(architecture, seed, **more).state_dict())


def under(prefix: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Add a prefix to the names."""
    return {prefix + name: value for name, value in state.items()}


def _wrapped(wrapper: str, prefix: str = "") -> Wrapping:
    parts = wrapper.split(".") if wrapper else []

    def make(state: State, _: State) -> Mapping[str, Any]:
        content: dict[str, Any] = under(prefix, state)
        for part in reversed(parts):
            content = {part: content, "epoch": 3}
        return content

    return Wrapping("timm", wrapper, prefix, make)


def _chunked(state: State, _: State) -> Mapping[str, Any]:
    chunks = {name.replace("blocks.", f"blocks.{name.split('.')[1]}.", 1) if "blocks" in name else name: value
              for name, value in state.items()}  # fmt: skip
    return {"teacher": under("backbone.", chunks)}


def _dinov2(state: State, _: State) -> Mapping[str, Any]:
    """With registers, as its authors keep it: a place for the class token in the table, zeros here."""
    given = {name.replace("reg_token", "register_tokens"): value for name, value in state.items()}
    table = torch.cat([torch.zeros(1, 1, official.WIDTH), state["pos_embed"]], dim=1)
    return given | {"pos_embed": table, "mask_token": torch.zeros(1, official.WIDTH)}


def _transformers(state: State, _: State) -> Mapping[str, Any]:
    """A ViTForImageClassification."""
    names = {
        "norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
    }  # fmt: skip
    made = {
        "vit.embeddings.cls_token": state["cls_token"],
        "vit.embeddings.position_embeddings": state["pos_embed"],
        "classifier.weight": torch.zeros(3, official.WIDTH),
    }
    for part in ("weight", "bias"):
        made[f"vit.embeddings.patch_embeddings.projection.{part}"] = state[f"patch_embed.proj.{part}"]
        made[f"vit.layernorm.{part}"] = state[f"norm.{part}"]
        for number in range(2):
            block = f"vit.encoder.layer.{number}."
            for ours, theirs in names.items():
                made[f"{block}{theirs}.{part}"] = state[f"blocks.{number}.{ours}.{part}"]
            joined = state[f"blocks.{number}.attn.qkv.{part}"].chunk(3)
            for name, value in zip(("query", "key", "value"), joined, strict=True):
                made[f"{block}attention.attention.{name}.{part}"] = value.clone()
    return made


def _with(**more: Any) -> Callable[[State, State], Mapping[str, Any]]:
    return lambda state, _: state | more


HEAD = torch.zeros(3, official.WIDTH)

WRAPPERS = (
    "", "state_dict", "model", "teacher", "student", "model_ema", "state_dict_ema", "ema", "model_state_dict", "net",
    "network", "params", "module", "weights", "state_dict.model", "checkpoint.ema.params",
)  # fmt: skip
PREFIXES = (
    "module.", "backbone.", "encoder.", "model.", "_orig_mod.", "module._orig_mod.", "visual.trunk.",
    "module.visual.trunk.", "teacher.backbone.", "base_encoder.", "encoder_q.", "vit.", "student.module.backbone.",
    "anything.else.", "_fsdp_wrapped_module.",
)  # fmt: skip

WRAPPINGS = [
    *(_wrapped(wrapper) for wrapper in WRAPPERS),
    *(_wrapped("", prefix) for prefix in PREFIXES),
    _wrapped("state_dict", "model."),
    Wrapping(
        "timm", "teacher, student", "backbone., module.backbone.",
        lambda state, other: {"teacher": under("backbone.", state), "student": under("module.backbone.", other)},
    ),
    Wrapping(
        "timm", "teacher, student", "", name="student",
        make=lambda state, other: {"student": state, "teacher": other},
    ),
    Wrapping(
        "timm", "", "teacher_backbone., student_backbone.",
        lambda state, other: under("student_backbone.", other) | under("teacher_backbone.", state),
    ),
    Wrapping(
        "timm", "teacher_ema, student_ema", "backbone.",
        lambda s, other: {"student_ema": under("backbone.", other), "teacher_ema": under("backbone.", s)},
    ),
    Wrapping("timm", "net_EMA, net", "", lambda state, other: {"net": other, "net_EMA": state}),
    Wrapping(
        "timm", "", "query_encoder., key_encoder.",
        lambda s, other: under("key_encoder.", other) | under("query_encoder.", s),
    ),
    Wrapping("timm, as sparse matrices", "", "", lambda s, _: {
        name: value.to_sparse() if value.ndim == 2 else value for name, value in s.items()
    }),
    Wrapping("timm", "model_ema, model", "", lambda state, other: {"model": other, "model_ema": state}),
    Wrapping("timm", "state_dict_ema, state_dict", "", lambda s, other: {"state_dict": other, "state_dict_ema": s}),
    Wrapping(
        "timm", "model, model_ema", "", name="model",
        make=lambda state, other: {"model": state, "model_ema": other},
    ),
    Wrapping(
        "timm", "state_dict", "base_encoder., momentum_encoder.",
        lambda s, other: {"state_dict": under("base_encoder.", s) | under("momentum_encoder.", other)},
    ),
    Wrapping("timm", "", "encoder_q., encoder_k.", lambda s, o: under("encoder_q.", s) | under("encoder_k.", o)),
    Wrapping(
        "timm", "", "backbone., momentum_backbone.",
        lambda s, other: under("momentum_backbone.", other) | under("backbone.", s),
    ),
    Wrapping("timm", "model, state_dict, the same", "", lambda state, _: {"model": state, "state_dict": dict(state)}),
    Wrapping(
        "timm", "", "left., right.", lambda s, other: under("left.", s) | under("right.", other),
        refused=r"holds 2 networks that fit \(#left, #right\); choose one with --weights",
    ),
    Wrapping("timm", "", "left., right.", lambda s, other: under("left.", other) | under("right.", s), name="right"),
    Wrapping(
        "timm", "model", "", lambda state, _: {"model": state}, name="teacher",
        refused=r"has no 'teacher' that fits; give --weights \S+#model",
    ),
    Wrapping("timm, blocks in chunks", "teacher", "backbone.", _chunked),
    Wrapping(
        "timm, wrapped block by block", "", "", lambda state, _: {
            name.replace("blocks.0.", "blocks.0._checkpoint_wrapped_module.") : value for name, value in state.items()
        },
    ),
    Wrapping("timm, with a head", "", "", _with(**{"head.weight": HEAD, "fc.weight": HEAD, "probe.0.bias": HEAD[0]})),
    Wrapping(
        "timm, with thop's counters", "", "",
        _with(**{"total_ops": HEAD[0], "blocks.0.attn.total_params": HEAD[0]}),
    ),
    Wrapping("timm, with a mask token", "", "", _with(mask_token=HEAD, **{"projector.0.bias": HEAD})),
    Wrapping("timm, in half precision", "", "", lambda state, _: {name: value.half() for name, value in state.items()}),
    Wrapping("timm, last norm as fc_norm", "", "", lambda state, _: {
        name.replace("norm.", "fc_norm.") if name.startswith("norm.") else name: value for name, value in state.items()
    }),
    Wrapping("timm, as NumPy arrays (.npz)", "", "", lambda s, _: {name: value.numpy() for name, value in s.items()}),
    Wrapping("MAE with its decoder", "model", "", lambda s, _: official.mae(s, decoder=True, arguments=True)),
    Wrapping("MoCo-v3", "state_dict", "module.base_encoder.", lambda state, _: official.moco(state)),
    Wrapping("DINOv2 with registers", "", "", _dinov2, architecture=REGISTERS),
    Wrapping(
        "DINOv2 with registers", "teacher", "backbone.", architecture=REGISTERS,
        make=lambda state, other: {"teacher": under("backbone.", _dinov2(state, other))},
    ),
    Wrapping("OpenAI's CLIP", "", "visual.", lambda state, _: official.clip_openai(state), QUICK),
    Wrapping(
        "OpenCLIP", "state_dict", "module.visual.", architecture="vit_base_patch16_clip_224",
        make=lambda state, _: {"state_dict": under("module.", official.clip_openai(state)), "epoch": 3},
    ),
    Wrapping("transformers' ViT", "", "vit.", _transformers),
    Wrapping("transformers' ViT, from Lightning", "state_dict", "model.vit.", lambda state, other: {
        "state_dict": under("model.", _transformers(state, other)),
    }),
    Wrapping(
        "timm, of another width", "", "", lambda *_: dict(official.network(embed_dim=96).state_dict()),
        refused=r"cls_token is \(1, 1, 96\) instead of \(1, 1, 48\)",
    ),
    Wrapping(
        "timm, of another patch", "", "", lambda *_: dict(official.network(patch_size=8, img_size=32).state_dict()),
        refused=r"patch_embed.proj.weight is \(48, 3, 8, 8\) instead of \(48, 3, 16, 16\)",
    ),
    Wrapping(
        "timm, of another image size", "", "", lambda *_: dict(official.network(img_size=96).state_dict()),
        refused=r"pos_embed is \(1, 37, 48\) instead of \(1, 17, 48\); for images of that size use tiny@96",
    ),
    Wrapping(
        "timm, deeper", "", "", lambda *_: dict(official.network(depth=3).state_dict()),
        refused=r"also holds blocks\.2\..*\(12 in all\), which that network has no place for",
    ),
    Wrapping(
        "timm, shallower", "", "", lambda *_: dict(official.network(depth=1).state_dict()),
        refused=r"holds a ViT-48/16 of 1 layer .*in timm's names, .*: it lacks blocks\.1\.",
    ),
    Wrapping(
        "timm, a block missing", "", "",
        lambda state, _: {name: value for name, value in state.items() if not name.startswith("blocks.0.")},
        refused=r"it lacks blocks\.0\..*; give a file with every parameter of the network$",
    ),
    Wrapping(
        "timm, with layer scale", "", "", lambda *_: dict(official.network(init_values=1.0).state_dict()),
        refused=r"also holds blocks\.0\.ls1\.gamma",
    ),
    Wrapping(
        "timm, with an adapter", "", "", _with(**{"blocks.0.attn.lora_a": HEAD}),
        refused="also holds .*lora_a.*; merge the adapter into the weights",
    ),
    Wrapping(
        "timm, wrapped by PEFT", "", "base_model.model.",
        lambda s, _: under("base_model.model.", {n.replace("qkv.", "qkv.base_layer."): v for n, v in s.items()}),
        refused="it lacks blocks.0.attn.qkv.weight.*; merge the adapter into the weights",
    ),
    Wrapping(
        "a Swin", "", "", lambda *_: {"patch_embed.proj.weight": torch.zeros(96, 3, 4, 4)},
        refused="holds a network in timm's names",
    ),
    Wrapping("timm, with prompts", "", "", _with(prompt_tokens=HEAD), refused="also holds prompt_tokens"),
    Wrapping(
        "timm, quantised", "", "", lambda s, _: {name: value.to(torch.int8) for name, value in s.items()},
        refused="is quantised: blocks",
    ),
    Wrapping(
        "a ResNet", "state_dict", "", lambda *_: {"state_dict": {"conv1.weight": torch.zeros(64, 3, 7, 7)}},
        refused="holds no vision transformer in a known layout.*its parameters are conv1.weight",
    ),
    Wrapping(
        "an optimizer alone", "", "", lambda *_: {"optimizer": {"state": {}}, "epoch": 3},
        refused="it holds no tensors by name",
    ),
]  # fmt: skip


def is_array(content: Mapping[str, Any]) -> bool:
    """Whether a content goes into an .npz."""
    return all(isinstance(value, np.ndarray) for value in content.values()) and bool(content)
