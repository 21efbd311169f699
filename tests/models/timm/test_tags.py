"""Tests of the supervision that timm's tags name."""

from __future__ import annotations

import pytest
import timm

from teachmatters.api import SUPERVISIONS
from teachmatters.models.specs import FAMILIES
from teachmatters.models.timm.tags import TRAINED, supervision_of
from teachmatters.models.timm_ids import resolve


@pytest.mark.parametrize(
    ("timm_id", "word"),
    [
        ("vit_base_patch16_224.dino", "self-distillation"),
        ("vit_small_patch14_reg4_dinov2.lvd142m", "self-distillation"),
        ("vit_large_patch16_dinov3.sat493m", "self-distillation"),
        ("vit_base_patch16_224.mae", "masked reconstruction"),
        ("vit_base_patch16_224.augreg_in21k_ft_in1k", "labels"),
        ("deit3_base_patch16_224.fb_in22k_ft_in1k", "labels"),
        ("vit_base_patch16_clip_224.openai", "image-text contrast"),
        ("vit_pe_core_base_patch16_224.fb", "image-text contrast"),
        ("eva02_base_patch14_224.mim_in22k", "masked token prediction"),
        ("vit_huge_patch14_gap_224.in1k_ijepa", "latent prediction"),
        ("aimv2_large_patch14_224.apple_pt", "autoregression"),
        ("vit_base_patch16_radio_v3.c_radio", "multi-teacher distillation"),
        # two kinds of training, or one that the tag does not name
        ("vit_base_patch16_clip_224.openai_ft_in1k", ""),
        ("beit_base_patch16_224.in22k_ft_in22k", ""),
        ("vit_pe_lang_large_patch14_448.fb", ""),
        ("vit_base_patch16_224", ""),
    ],
)
def test_a_tag_names_the_training(timm_id: str, word: str) -> None:
    assert supervision_of(timm_id) == word


def test_every_pattern_names_weights_that_timm_has() -> None:
    known = timm.list_models(pretrained=True)
    for word, patterns in TRAINED.items():
        assert word in SUPERVISIONS
        for pattern in patterns:
            assert any(supervision_of(timm_id) == word for timm_id in timm.list_models(pattern, pretrained=True)), (
                pattern
            )
    assert not [timm_id for timm_id in known if "ft_in" in timm_id and supervision_of(timm_id) not in ("", "labels")]


def test_a_spec_has_the_supervision_without_a_tag_too() -> None:
    assert resolve("timm/vit_base_patch16_224.mae@448").supervision == "masked reconstruction"
    assert resolve("timm/vit_base_patch16_224").supervision == "labels"  # timm's own choice is augreg2_in21k_ft_in1k


def test_the_families_use_the_same_words() -> None:
    assert {family.supervision for family in FAMILIES} <= set(SUPERVISIONS)
