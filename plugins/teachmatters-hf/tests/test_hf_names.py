"""Transformers' names given to timm's networks: every layer is then what transformers itself computes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hf_networks import images, made, opened, save, streamed

from teachmatters.models.networks import hollow
from teachmatters.models.timm.vit import TimmViT
from teachmatters.models.weights.wanted import Wanted
from teachmatters.models.weights.weight_files import fill, find

TINY: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "mlp_ratio": 2}
EXACT = {"norm_layer": partial(torch.nn.LayerNorm, eps=1e-12)}  # as ViT's config says
TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("vit_tiny_patch16_224", EXACT),
    "vit-classifier": ("vit_tiny_patch16_224", EXACT),
    "msn": ("vit_tiny_patch16_224", {}),
    "deit": ("deit_tiny_distilled_patch16_224", EXACT),
    "mae": ("vit_tiny_patch16_224", EXACT),
    "ijepa": ("vit_huge_patch14_gap_224", {}),
    "dinov2": ("vit_small_patch14_dinov2", {"init_values": 1.0}),
    "dinov2-registers": ("vit_small_patch14_reg4_dinov2", {"reg_tokens": 3}),
    "dinov3": ("vit_small_patch16_dinov3_qkvb", {}),
    "beit": ("beit_base_patch16_224", {"global_pool": "token"}),
    "beit-shared": ("beit_base_patch16_224", {"global_pool": "token"}),
    "clip-vision": ("vit_base_patch16_clip_quickgelu_224", {}),
    "siglip": ("vit_base_patch16_siglip_224", {}),
    "siglip-vision": ("vit_base_patch16_siglip_224", {}),
}


@pytest.mark.parametrize("in_memory", [False, True], ids=["on disk", "in memory"])
@pytest.mark.parametrize("name", TIMM)
def test_timms_network_computes_what_transformers_does(name: str, in_memory: bool, tmp_path: Path) -> None:
    folder = save(name, tmp_path / name)
    file = folder
    if in_memory:
        file = tmp_path / "mine.ckpt"
        torch.save({"state_dict": {f"model.{key}": value for key, value in made(name).state_dict().items()}}, file)
    architecture, more = TIMM[name]
    network = timm.create_model(architecture, **TINY | more, num_classes=0)
    fill(network, find(file, Wanted("tiny", "tiny", architecture, lambda _: hollow(architecture, TINY | more))))
    ours, theirs = TimmViT(network, "tiny"), opened(folder).build()
    pixels = images(theirs)
    expected = streamed(theirs, pixels)
    for place, value in streamed(ours, pixels).items():
        torch.testing.assert_close(value, expected[place], rtol=1e-3, atol=1e-3, msg=f"{place}")
