"""Tiny networks of every class that is read, random everywhere, saved as their users save them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.utils import logging

from teachmatters.api import ModelAdapter, ModelRequest, Tap
from teachmatters.errors import TeachMattersError
from teachmatters_hf.model import open_model, resolve

WEIGHTS = "model.safetensors"

ORDER: list[Tap] = list(get_args(Tap))

SHAPE: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8,
}  # fmt: skip
WIDE = SHAPE | {"intermediate_size": 64}
FLAT = {key: value for key, value in WIDE.items() if key != "image_size"} | {"num_patches": 16}
TEXT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 20,
    "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip


def _of(network: str, **given: Any) -> Callable[[], Any]:
    """A class of transformers with its own config's class."""

    def make() -> Any:
        made = getattr(transformers, network)
        return made(made.config_class(**given))

    return make


NETWORKS: dict[str, Callable[[], Any]] = {
    "vit": _of("ViTModel", **WIDE),
    "vit-classifier": _of("ViTForImageClassification", **WIDE, num_labels=3),
    "vit-rectangle": _of("ViTModel", **(WIDE | {"image_size": [32, 16]})),
    "dinov2": _of("Dinov2Model", **SHAPE, mlp_ratio=2),
    "dinov2-swiglu": _of("Dinov2Model", **SHAPE, mlp_ratio=2, use_swiglu_ffn=True, drop_path_rate=0.2),
    "dinov2-registers": _of("Dinov2WithRegistersModel", **SHAPE, mlp_ratio=2, num_register_tokens=3),
    "beit": _of("BeitForMaskedImageModeling", **WIDE, vocab_size=9, use_relative_position_bias=True),
    "beit-shared": _of("BeitModel", **WIDE, use_shared_relative_position_bias=True, use_mean_pooling=False),
    "clip": _of("CLIPModel", text_config=TEXT, vision_config=WIDE, projection_dim=8),
    "clip-vision": _of("CLIPVisionModelWithProjection", **WIDE, projection_dim=8),
    "siglip": _of("SiglipModel", text_config=TEXT, vision_config=WIDE),
    "siglip-vision": _of("SiglipVisionModel", **WIDE),
    "dinov3": _of("DINOv3ViTModel", **WIDE, num_register_tokens=4),
    "dinov3-swiglu": _of("DINOv3ViTModel", **WIDE, use_gated_mlp=True, num_register_tokens=2, drop_path_rate=0.2),
    "webssl": _of("Dinov2Model", **SHAPE, mlp_ratio=2, use_swiglu_ffn=True, use_mask_token=False),
    "ijepa": _of("IJepaModel", **WIDE),
    "aimv2": _of("Aimv2VisionModel", **WIDE),
    "siglip2": _of("Siglip2Model", text_config=TEXT, vision_config=FLAT),
    "siglip2-vision": _of("Siglip2VisionModel", **FLAT),
    "msn": _of("ViTMSNModel", **WIDE),
    "deit": _of("DeiTForImageClassificationWithTeacher", **WIDE, num_labels=3),
    "data2vec": _of("Data2VecVisionModel", **WIDE, use_relative_position_bias=True),
    "mae": _of(
        "ViTMAEForPreTraining", **WIDE, decoder_hidden_size=16, decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2, decoder_intermediate_size=16, mask_ratio=0.75,
    ),
}  # fmt: skip


def made(name: str) -> Any:
    """Layer scales, biases and tokens that start at 0 or 1 would hide a mistake."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    return network


def save(name: str, folder: Path, **how: Any) -> Path:
    """The network in a folder, as save_pretrained writes it."""
    logging.disable_progress_bar()
    made(name).save_pretrained(folder, **how)
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file; None removes one."""
    content = json.loads(path.read_text()) if path.exists() else {}
    content = {key: value for key, value in (content | changes).items() if value is not None}
    path.write_text(json.dumps(content))


def opened(folder: Path, weights: Path | None = None) -> Any:
    """The source of ``hf/<folder>``."""
    return open_model(ModelRequest(spec=resolve(f"hf/{folder}"), weights=weights))


def images(model: ModelAdapter, count: int = 2) -> Tensor:
    """Seeded noise of the model's size."""
    return torch.randn(count, 3, *model.info.input_size, generator=torch.Generator().manual_seed(1))


def streamed(model: ModelAdapter, pixels: Tensor, taps: frozenset[Tap] | None = None) -> dict[tuple[int, Tap], Tensor]:
    """Everything that a pass hands over, in its order."""
    taken: dict[tuple[int, Tap], Tensor] = {}

    def sink(layer: int, tap: Tap, value: Tensor) -> None:
        assert (layer, tap) not in taken
        taken[layer, tap] = value.clone()

    model.stream(pixels, model.info.taps if taps is None else taps, sink)
    return taken


def traces(network: nn.Module) -> list[Any]:
    """All that a pass could leave behind."""
    hooks = [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in network.modules()]
    return [*hooks, network.config._attn_implementation, network.training]  # type: ignore[union-attr]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ViT and its image processor's config."""
    folder = save("vit", tmp_path / "vit")
    edit(folder / "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6])
    return folder


def told(act: Callable[[], Any]) -> str:
    """What a user is told: one line."""
    with pytest.raises(TeachMattersError) as refusal:
        act()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def last(source: Any) -> Tensor:
    """The output of the last block."""
    model = source.build()
    block: Tensor = streamed(model, images(model), frozenset({"block"}))[2, "block"]
    return block


def without(folder: Path, key: str) -> None:
    """Remove a tensor from the file of weights."""
    state = load_file(folder / WEIGHTS)
    del state[next(name for name in state if key in name)]
    save_file(state, folder / WEIGHTS)
