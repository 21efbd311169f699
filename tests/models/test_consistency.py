"""Tests that the taps equal what the network used, for tiny networks of every family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from teachmatters.errors import TeachMattersError
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.forward.preflight import preflight_check
from tests.models.helpers import ORDER, images, streamed

NARROW: dict[str, Any] = {"embed_dim": 96, "num_heads": 3, "img_size": 64}
FOURTEEN: dict[str, Any] = NARROW | {"img_size": 56}

FAMILIES: dict[str, dict[str, Any]] = {
    # the named ones
    "vit_small_patch16_224": NARROW,
    "vit_base_patch16_clip_quickgelu_224": NARROW,
    "beit_base_patch16_224": NARROW | {"global_pool": "token"},
    # of the families that timm publishes, one of each structure: registers, rotary positions, SwiGLU, no class token
    "vit_small_patch14_dinov2": FOURTEEN,
    "vit_giant_patch14_dinov2": FOURTEEN,
    "vit_small_patch14_reg4_dinov2": FOURTEEN,
    "vit_small_patch16_dinov3": NARROW,
    "vit_small_plus_patch16_dinov3": NARROW,
    "vit_7b_patch16_dinov3": NARROW,
    "eva02_tiny_patch14_224": FOURTEEN,
    "eva02_base_patch14_224": FOURTEEN,
    "vit_base_patch16_siglip_224": NARROW,
    "vit_so400m_patch14_siglip_224": FOURTEEN,
    "vit_base_patch32_siglip_256": NARROW,
    "vit_base_patch16_clip_224": NARROW,
    "deit3_small_patch16_224": NARROW,
    "deit_tiny_distilled_patch16_224": NARROW,
    "vit_huge_patch14_gap_224": FOURTEEN,
    "beitv2_base_patch16_224": NARROW,
    "beit3_base_patch16_224": NARROW,
    "aimv2_large_patch14_224": FOURTEEN,
    "vit_pe_core_tiny_patch16_384": NARROW,
    "vit_pe_core_gigantic_patch14_448": FOURTEEN,
    "vit_pe_spatial_tiny_patch16_512": NARROW,
    "vit_base_patch14_reg1_tipsv2": FOURTEEN,
    "vit_base_patch16_radio_v3": NARROW,
    "vit_so400m_patch16_radio_v4": NARROW,
    # others that are known to be plain
    "vit_base_patch16_siglip_gap_224": NARROW,
    "vit_base_patch16_224": NARROW | {"qk_norm": True, "init_values": 0.1},
    "flexivit_small": NARROW,
    "vit_intern300m_patch14_448": FOURTEEN,
    "vit_small_patch16_rope_224": NARROW,
    "vit_small_patch16_rope_mixed_ape_224": NARROW,
    "vit_relpos_small_patch16_224": NARROW,
    "vit_little_patch16_reg4_gap_256": NARROW,
    "naflexvit_base_patch16_map": NARROW | {"img_size": None},
}


def built(architecture: str, options: Mapping[str, Any]) -> TimmViT:
    """Random everywhere: layer scales and biases start at values that would hide a mistake."""
    given = {"depth": 2, "num_classes": 0} | {name: value for name, value in options.items() if value is not None}
    network: Any = timm.create_model(architecture, **given).eval()
    numbers = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=numbers) * 0.1)
    if hasattr(network, "embeds"):  # NaFlex takes any size
        network.pretrained_cfg = {**network.pretrained_cfg, "input_size": (3, 64, 64)}
    return TimmViT(network, architecture)


class Values(TorchFunctionMode):
    """Notes what the plain network multiplies its attention with, and what comes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            self.values.append(args[2] if len(args) > 2 else kwargs["value"])
        return func(*args, **(kwargs or {}))


def plain_pass(model: TimmViT, pixels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """By layer, the values and the output of the attention module in an undisturbed pass."""
    outputs: list[Tensor] = []
    hooks = [block.attn.register_forward_hook(lambda *call: outputs.append(call[2])) for block in model._blocks]  # type: ignore[union-attr]
    with Values() as mode:
        model.forward(pixels)
    for hook in hooks:
        hook.remove()
    return mode.values, outputs


def traces(model: TimmViT) -> list[Any]:
    """All that a pass could leave behind."""
    return [
        (len(module._forward_hooks), len(module._forward_pre_hooks), getattr(module, "fused_attn", None))
        for module in model.network.modules()
    ] + [parameter.clone() for parameter in model.network.parameters()]


def unchanged(before: list[Any], after: list[Any]) -> bool:
    pairs = zip(before, after, strict=True)
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_taps_equal_what_the_network_used(architecture: str) -> None:
    model = built(architecture, FAMILIES[architecture])
    pixels = images(model)
    before = traces(model)
    taken = streamed(model, pixels)
    assert unchanged(before, traces(model))
    assert list(taken) == [(layer, tap) for layer in (1, 2) for tap in ORDER]
    values, outputs = plain_pass(model, pixels)
    assert len(values) == len(outputs) == 2
    for layer, (value, output, block) in enumerate(zip(values, outputs, model._blocks, strict=True), 1):
        rebuilt(taken[layer, "attention"], value, output, block.attn)
        for skip, branch, total in (("attn_skip", "attn_branch", "mlp_skip"), ("mlp_skip", "mlp_branch", "block")):
            torch.testing.assert_close(taken[layer, skip] + taken[layer, branch], taken[layer, total])
    assert torch.equal(taken[2, "attn_skip"], taken[1, "block"])
    as_timm_computes_it(model, pixels, taken)
    torch.testing.assert_close(model.forward(pixels), taken[2, "block"], rtol=1e-4, atol=1e-4)
    preflight_check(model, torch.device("cpu"), torch.float32)
    assert unchanged(before, traces(model))


def as_timm_computes_it(model: TimmViT, pixels: Tensor, taken: dict[tuple[int, str], Tensor]) -> None:
    """Blocks as timm's own forward returns them, norms as the block's modules make them of what was added so far."""
    network: Any = model.network
    if hasattr(network, "embeds"):  # NaFlex returns its patches alone
        return
    prefix = model.info.prefix
    with torch.no_grad():
        blocks = network.forward_intermediates(
            pixels, output_fmt="NLC", return_prefix_tokens=bool(prefix), norm=False, intermediates_only=True
        )
        for layer, (found, block) in enumerate(zip(blocks, model._blocks, strict=True), 1):
            whole = torch.cat([found[1], found[0]], 1) if prefix else found
            torch.testing.assert_close(taken[layer, "block"], whole, rtol=1e-4, atol=1e-4)
            for norm, read in (("norm1", "attn_skip"), ("norm2", "mlp_skip")):
                torch.testing.assert_close(taken[layer, norm], getattr(block, norm)(taken[layer, read]))


def rebuilt(attention: Tensor, value: Tensor, output: Tensor, module: Any) -> None:
    """Attention times values, heads side by side, projected, is what the attention module gave."""
    if value.shape[1] != attention.shape[1]:  # grouped queries
        value = value.repeat_interleave(attention.shape[1] // value.shape[1], 1)
    mixed = (attention @ value).transpose(1, 2).flatten(2)
    if getattr(module, "norm", None) is not None:
        mixed = module.norm(mixed)
    torch.testing.assert_close(module.proj(mixed), output, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_fused_and_unfused_features_agree(architecture: str) -> None:
    model = built(architecture, FAMILIES[architecture])
    pixels = images(model)
    fused = model.forward(pixels)
    flags: list[Any] = [module for module in model.network.modules() if hasattr(module, "fused_attn")]
    assert flags
    for module in flags:
        module.fused_attn = False
    torch.testing.assert_close(model.forward(pixels), fused, rtol=1e-4, atol=1e-4)
    before = traces(model)
    taken = streamed(model, pixels)
    assert unchanged(before, traces(model))
    torch.testing.assert_close(taken[2, "block"], fused, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- what is no plain ViT
REFUSED: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "swin_tiny_patch4_window7_224": {"img_size": 64, "window_size": 4},
    "hiera_tiny_224": {},
    "cait_xxs24_224": {"depth": 2},
    "xcit_nano_12_p16_224": {"depth": 2},
    "samvit_base_patch16": NARROW | {"depth": 2},
    "convnext_atto": {},
    "vit_small_patch16_18x2_224": {"depth": 2},
    "vit_dlittle_patch16_reg1_gap_256": NARROW | {"depth": 2},
    "levit_128s": {},
}


@pytest.mark.parametrize("architecture", REFUSED)
def test_other_networks_are_refused_in_one_line(architecture: str) -> None:
    network = timm.create_model(architecture, num_classes=0, **REFUSED[architecture])
    with pytest.raises(TeachMattersError, match=r"cannot be (read|analysed)|attention maps") as refusal:
        preflight_check(TimmViT(network, architecture), torch.device("cpu"), torch.float32)
    assert "\n" not in str(refusal.value)
