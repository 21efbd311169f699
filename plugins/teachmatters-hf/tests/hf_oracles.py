"""What transformers' own networks compute, and what a textbook computes from their parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional as F
from transformers.models.siglip2.image_processing_siglip2 import convert_image_to_patches

TOWERS = {
    "vit": "ViTModel", "vit-classifier": "ViTModel", "vit-rectangle": "ViTModel", "dinov2": "Dinov2Model",
    "dinov2-swiglu": "Dinov2Model", "dinov2-registers": "Dinov2WithRegistersModel", "beit": "BeitModel",
    "beit-shared": "BeitModel", "clip": "CLIPVisionModel", "clip-vision": "CLIPVisionModel",
    "siglip": "SiglipVisionModel", "siglip-vision": "SiglipVisionModel", "mae": "ViTMAEModel",
    "dinov3": "DINOv3ViTModel", "dinov3-swiglu": "DINOv3ViTModel", "webssl": "Dinov2Model", "ijepa": "IJepaModel",
    "aimv2": "Aimv2VisionModel", "siglip2": "Siglip2VisionModel", "siglip2-vision": "Siglip2VisionModel",
    "msn": "ViTMSNModel", "deit": "DeiTModel", "data2vec": "Data2VecVisionModel",
}  # fmt: skip
# The names of a block's parts in one release of transformers or another.
NORMS = (
    ("norm1", "layer_norm1", "layernorm_before", "rms_norm1"),
    ("norm2", "layer_norm2", "layernorm_after", "rms_norm2"),
)
PROJECTIONS = ("v_proj", "value"), ("o_proj", "out_proj", "dense")


def own(name: str, folder: Path, pixels: Tensor, **how: Any) -> tuple[Any, list[Tensor], list[Tensor]]:
    """Transformers' own eager network, the input and the outputs of its blocks, and its attention, tokens in order."""
    network = getattr(transformers, TOWERS[name]).from_pretrained(folder, attn_implementation="eager", dtype="float32")
    network.config.mask_ratio = 0.0
    side = pixels.shape[-1] // 8
    if TOWERS[name] == "Dinov2Model" and side != 4:  # transformers forgets the authors' offset
        network.embeddings.position_embeddings = torch.nn.Parameter(as_the_authors(network, side))
        network.config.image_size = pixels.shape[-1]
    how["pixel_values"] = pixels
    if name.startswith("siglip2"):
        how["pixel_values"] = torch.stack([convert_image_to_patches(each, 8) for each in pixels])
        how["spatial_shapes"] = torch.tensor([[side, side]] * len(pixels))
        how["pixel_attention_mask"] = torch.ones(len(pixels), side * side, dtype=torch.int32)
    with torch.no_grad():
        found = network(output_hidden_states=True, output_attentions=True, **how)
    hidden, attentions = list(found.hidden_states), list(found.attentions)
    if name == "mae":  # its patches are shuffled anew in every pass; it tells how to put them back
        order = F.pad(found.ids_restore + 1, (1, 0))
        hidden = [torch.stack([h[i] for h, i in zip(each, order, strict=True)]) for each in hidden]
        attentions = [torch.stack([a[:, i][:, :, i] for a, i in zip(each, order, strict=True)]) for each in attentions]
    return network, hidden, attentions


def as_the_authors(network: Any, side: int) -> Tensor:
    """The positions of a 4 x 4 grid, as DINOv2's own code resamples them: by the scale, not to the size."""
    table = network.embeddings.position_embeddings.detach()
    square = table[:, 1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
    found = F.interpolate(square, scale_factor=((side + 0.1) / 4, (side + 0.1) / 4), mode="bicubic")
    assert found.shape[-1] == side
    return torch.cat([table[:, :1], found.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def normed(norm: Any, values: Tensor) -> Tensor:
    if "RMS" in type(norm).__name__:
        scaled: Tensor = values / (values.square().mean(-1, keepdim=True) + norm.variance_epsilon).sqrt() * norm.weight
        return scaled
    return F.layer_norm(values, values.shape[-1:], norm.weight, norm.bias, norm.eps)


def textbook(block: Any, hidden: Tensor, attention: Tensor) -> dict[str, Tensor]:
    """A pre-norm block, step by step, from the parameters and the attention that transformers returns."""
    part = {name.rpartition(".")[2]: child for name, child in block.named_modules()}
    norm1, norm2 = (next(part[name] for name in names if name in part) for names in NORMS)
    scales = [getattr(block, f"lambda_{i}", None) for i in (1, 2)]
    if "layer_scale1" in part:
        scales = [part[f"layer_scale{i}"].lambda1 for i in (1, 2)]
    first, second = (1 if scale is None else scale for scale in scales)
    taps = {"attn_skip": hidden, "norm1": normed(norm1, hidden)}
    value, project = (next(part[name] for name in names if name in part) for names in PROJECTIONS)
    if hasattr(block, "intermediate"):  # whose other layers have a "dense" too
        project = block.attention.output.dense
    values = value(taps["norm1"]).unflatten(-1, (attention.shape[1], -1)).transpose(1, 2)
    mixed = (attention @ values).transpose(1, 2).flatten(2)
    taps["attn_branch"] = project(mixed) * first
    taps["mlp_skip"] = hidden + taps["attn_branch"]
    middle = taps["mlp_skip"]
    taps["norm2"] = normed(norm2, middle)
    if hasattr(block, "intermediate"):
        taps["mlp_hidden"] = block.intermediate(taps["norm2"])
        taps["mlp_branch"] = block.output(taps["mlp_hidden"]) * second
    else:
        mlp = part["mlp"] if "mlp" in part else part["ffn"]
        taps["mlp_hidden"] = hidden_of(mlp, taps["norm2"])
        taps["mlp_branch"] = mlp(taps["norm2"]) * second
    return taps | {"block": middle + taps["mlp_branch"]}


def hidden_of(mlp: Any, values: Tensor) -> Tensor:
    """The middle of an MLP: what its last linear layer gets."""
    if hasattr(mlp, "fc1"):
        hidden: Tensor = mlp.activation_fn(mlp.fc1(values))
        return hidden
    gate = mlp.gate_proj(values) if hasattr(mlp, "gate_proj") else None
    up = mlp.up_proj(values)
    return mlp.act_fn(up) if gate is None else mlp.act_fn(gate) * up  # type: ignore[no-any-return]
