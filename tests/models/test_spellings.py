"""Tests of suggestions for names as authors, libraries and papers write them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teachmatters import registry
from teachmatters.api import ModelSpec
from teachmatters.errors import TeachMattersError

MEANT = {
    # the authors' own, at the PyTorch hub or in their code
    "dinov2_vits14": "dinov2-s14",
    "dinov2_vitb14_reg": "dinov2-b14-reg",
    "dinov2_vitg14_reg4": "dinov2-g14-reg",
    "dino_vitb8": "dino-b8",
    "dino_vits16": "dino-s16",
    "dinov3_vith16plus": "dinov3-h16plus",
    "mae_vit_base_patch16": "mae-b16",
    "PE-Core-B16-224": "pe-core-b16",
    "PE-Spatial-G14-448": "pe-spatial-g14",
    "deit_base": "deit-b16",
    "mocov3": "moco",
    # the Hugging Face hub's
    "facebook/dinov2-small": "dinov2-s14",
    "facebook/dinov2-with-registers-large": "dinov2-l14-reg",
    "facebook/dinov3-vitl16-pretrain-sat493m": "dinov3-l16-sat",
    "facebook/dinov3-vit7b16-pretrain-lvd1689m": "dinov3-7b16",
    "facebook/vit-mae-large": "mae-l16",
    "facebook/ijepa_vith14_1k": "ijepa-h14",
    "openai/clip-vit-base-patch16": "clip-b16",
    "openai/clip-vit-large-patch14-336": "clip-l14-336",
    "google/vit-base-patch16-224": "supervised-b16",
    "google/siglip2-base-patch16-224": "siglip2-b16",
    "microsoft/beit-base-patch16-224-pt22k": "beit-b16",
    "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K": "openclip-b16",
    "apple/DFN2B-CLIP-ViT-B-16": "dfn-b16",
    "apple/aimv2-large-patch14-224": "aimv2-l14",
    "nvidia/C-RADIOv3-B": "cradio3-b16",
    # near our own
    "DINOv2-S14": "dinov2-s14",
    "dinov2_small": "dinov2-s14",
    "clip-vit-b-16": "clip-b16",
    "mini_dino": "mini-dino",
    "tipsv2-b14": "tips2-b14",
    "dinov2_vits14@518": "dinov2-s14@518",
    # typing errors
    "dino-b61": "dino-b16",
    "dinov2-s41": "dinov2-s14",
    "dinov2-s16": "dinov2-s14",
    # with the address or the prefix of a library in front
    "https://huggingface.co/facebook/dinov2-small": "dinov2-s14",
    "hf-hub:timm/vit_base_patch16_224.mae": "mae-b16",
    "timm/dinov2_vits14": "dinov2-s14",
    "timm/mae-b16": "mae-b16",
}


def answer(name: str) -> str:
    with pytest.raises(TeachMattersError) as caught:
        registry.load().model(name)
    return str(caught.value)


@pytest.mark.parametrize(("name", "meant"), MEANT.items())
def test_a_near_spelling_gets_the_right_name(name: str, meant: str) -> None:
    said = answer(name)
    assert f"unknown model {name!r}. Did you mean {meant!r}? " in said
    assert isinstance(registry.load().model(meant), ModelSpec)


@pytest.mark.parametrize("name", ["ViT-B/16", "ViT-B-16", "vit_b_16", "ViTB16"])
def test_a_shape_alone_gets_models_of_that_shape(name: str) -> None:
    assert "Models of that shape: supervised-b16, clip-b16, dino-b16, moco-b16, mae-b16, beit-b16. " in answer(name)


def test_a_shape_with_an_image_size_gets_fewer_models() -> None:
    assert "Models of that shape: clip-l14-336, pe-core-l14. " in answer("ViT-L/14@336px")


TIMMS = {
    "vit_small_patch14_dinov2": "Did you mean 'dinov2-s14'? 'timm/vit_small_patch14_dinov2' is timm's model",
    "vit_base_patch16_224": "beit-b16. 'timm/vit_base_patch16_224' is timm's model",
    "vit_tiny_patch16_224.augreg_in21k": "'timm/vit_tiny_patch16_224.augreg_in21k' is timm's model",
    "vit_smal_patch16_224": "Did you mean 'timm/vit_small_patch16_224'?",
    "resnet50": "timm/resnet50 is not a vision transformer",
    "timm/vit_small_patch16_224.dinno": "Did you mean 'timm/vit_small_patch16_224.dino'?",
    "hf_hub:timm/vit_small_patch16_224.dino": "'timm/vit_small_patch16_224.dino' is timm's model",
}


@pytest.mark.parametrize(("name", "words"), TIMMS.items())
def test_timm_ids_are_suggested_too(name: str, words: str) -> None:
    assert words in answer(name)


def test_another_training_of_a_known_network_is_not_suggested() -> None:
    assert "Did you mean" not in answer("facebook/webssl-dino300m-full2b-224")
    assert "'dinov2-s14" not in answer("mini-dinov2")


def test_a_hub_repository_is_suggested_where_the_plugin_is_installed() -> None:
    load = registry.load()
    said = answer("facebook/dinov2-small")
    assert ("'hf/facebook/dinov2-small' loads that repository" in said) == ("hf/" in load.models)


@pytest.mark.parametrize("name", ["facebook/vit-msn-small", "facebook/webssl-dino300m-full2b-224", "a/data2vec-b"])
def test_models_that_only_transformers_has_get_their_repository(name: str) -> None:
    said = answer(name)
    assert "Models of that shape" not in said
    assert (f"'hf/{name}' loads that repository" in said) == ("hf/" in registry.load().models)


NO_REPOSITORIES = ["CLIP-B/16", "ViT-B/16", "./run/checkpoint.pth", "nvidia/C-RADIOv3-B", "google/tipsv2-b14",
                   "facebook/PE-Core-B16-224", "facebook/vjepa2-vitl-fpc64-256", "bytedance/ibot"]  # fmt: skip


@pytest.mark.parametrize("name", NO_REPOSITORIES)
def test_models_that_transformers_lacks_do_not_get_a_repository(name: str) -> None:
    assert "'hf/" not in answer(name)


@pytest.mark.parametrize("name", ["checkpoint.pth", "runs/last.ckpt", "model.safetensors", "a.pth.tar"])
def test_a_file_name_gets_the_option_it_belongs_to(name: str) -> None:
    assert f"Give a file of weights as '--model MODEL --weights {name}'. " in answer(name)


def test_a_folder_of_transformers_gets_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    said = answer(str(tmp_path))
    assert (f"'hf/{tmp_path}' loads that folder" in said) == ("hf/" in registry.load().models)


def test_patterns_ignore_case() -> None:
    assert [spec.name for spec in registry.load().match_models("MAE-*")] == ["mae-b16", "mae-l16", "mae-h14"]


def test_a_name_without_near_match_is_unknown() -> None:
    assert re.fullmatch(r"unknown model 'qwerty'\. 'tm models --all' lists all \d+\.", answer("qwerty"))


@pytest.mark.parametrize("name", ["dino-s16@big", "dinov2@", "dino-s16@12x", "dino-s16@99999"])
def test_an_invalid_size_is_named(name: str) -> None:
    assert "is not a size; write @384" in answer(name)
