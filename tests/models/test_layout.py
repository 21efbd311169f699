from __future__ import annotations

from typing import Any

import pytest
import torch

from teachmatters.errors import TeachMattersError
from tests.models.helpers import ORDER, images, streamed, tiny

NARROW = {"embed_dim": 48, "num_heads": 3}

FAMILIES = [
    # architecture, what makes it small, (class token, registers), grid
    ("vit_small_patch14_reg4_dinov2", {"img_size": 56}, (True, 4), (4, 4)),
    ("deit_tiny_distilled_patch16_224", {"img_size": 64}, (True, 1), (4, 4)),
    ("vit_little_patch16_reg1_gap_256", {"img_size": 64}, (False, 1), (4, 4)),
    ("vit_base_patch16_siglip_224", NARROW | {"img_size": 64}, (False, 0), (4, 4)),
    ("beit_base_patch16_224", NARROW | {"img_size": 64}, (True, 0), (4, 4)),
    ("eva02_tiny_patch14_224", NARROW | {"img_size": 56}, (True, 0), (4, 4)),
    ("vit_small_patch16_dinov3", {"embed_dim": 96, "num_heads": 3, "img_size": 64}, (True, 4), (4, 4)),
    ("vit_relpos_small_patch16_224", {"img_size": 64}, (False, 0), (4, 4)),
    ("vit_small_patch16_36x1_224", {"img_size": 64}, (True, 0), (4, 4)),
    ("vit_tiny_r_s16_p8_224", {"img_size": 64}, (True, 0), (2, 2)),
]


@pytest.mark.parametrize(("architecture", "kwargs", "prefix", "grid"), FAMILIES, ids=[row[0] for row in FAMILIES])
def test_every_family_streams_and_describes_its_tokens(
    architecture: str, kwargs: dict[str, Any], prefix: tuple[bool, int], grid: tuple[int, int]
) -> None:
    model = tiny(architecture, **kwargs)
    info = model.info
    assert ((info.class_token, info.registers), info.grid, info.depth) == (prefix, grid, 2)
    assert info.patch_size * grid[0] == info.image_size
    taken = streamed(model, images(model))
    assert list(taken) == [(layer, tap) for layer in (1, 2) for tap in ORDER]
    for layer in (1, 2):
        assert taken[layer, "attention"].shape == (2, info.heads, info.tokens, info.tokens)
        torch.testing.assert_close(taken[layer, "attention"].sum(-1), torch.ones(2, info.heads, info.tokens))
        assert taken[layer, "block"].shape == (2, info.tokens, info.width)
        for skip, branch, result in (("attn_skip", "attn_branch", "mlp_skip"), ("mlp_skip", "mlp_branch", "block")):
            torch.testing.assert_close(taken[layer, skip] + taken[layer, branch], taken[layer, result])
    assert torch.equal(taken[2, "attn_skip"], taken[1, "block"])
    torch.testing.assert_close(model.forward(images(model)), taken[2, "block"], rtol=1e-4, atol=1e-5)


def test_naflex_keeps_its_tokens_in_a_module_of_their_own() -> None:
    info = tiny("naflexvit_base_patch16_map", **NARROW).info
    assert (info.class_token, info.registers, info.grid, info.image_size) == (False, 1, (24, 24), 384)


@pytest.mark.parametrize(
    ("width", "heads", "arch"), [(192, 3, "ViT-Ti/16"), (384, 6, "ViT-S/16"), (96, 3, "ViT-96/16")]
)
def test_the_architecture_is_named_after_its_width(width: int, heads: int, arch: str) -> None:
    assert tiny(img_size=32, embed_dim=width, num_heads=heads).info.arch == arch


REFUSED = [
    ("resnet18", {"depth": None}, "no sequence called 'blocks'"),
    ("vit_small_patch16_18x2_224", {}, r"block 1 \(ParallelThingsBlock\) has no norm1"),
    ("vit_base_patch16_xp_224", NARROW, r"block 1 \(ParallelScalingBlock\) has no norm1"),
    ("cait_xxs24_224", {}, "has no drop_path1, drop_path2"),
    ("xcit_nano_12_p16_224", {}, "does not show its grid"),
]


@pytest.mark.parametrize(("architecture", "kwargs", "why"), REFUSED, ids=[row[0] for row in REFUSED])
def test_networks_without_such_blocks_are_refused_with_the_reason(
    architecture: str, kwargs: dict[str, Any], why: str
) -> None:
    with pytest.raises(TeachMattersError, match=why):
        tiny(architecture, **kwargs)


def test_attention_of_two_softmaxes_is_refused_and_the_rest_still_streams() -> None:
    model = tiny("vit_dlittle_patch16_reg1_gap_256", img_size=64)
    assert len(streamed(model, images(model), frozenset({"block", "norm1"}))) == 4
    with pytest.raises(TeachMattersError, match="block 1 computed 2 attention maps"):
        streamed(model, images(model))
