"""Tests of readouts against forward passes written out in the test."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from timm.layers.mlp import SwiGLU
from torch import Tensor
from torch.nn import functional as F

from teachmatters.api import Feature, Readout, Tap
from teachmatters.api.readout import Norm
from teachmatters.errors import TeachMattersError
from teachmatters.models.noise import Noise
from teachmatters.models.recipes import RECIPES
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.forward.preflight import preflight_check
from teachmatters.runner.forward.readouts import vectors
from tests.models.helpers import images, tiny

SMALL: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "num_heads": 3, "init_values": 0.5}
NETWORKS: dict[str, dict[str, Any]] = {
    "class token and registers": {"reg_tokens": 2},
    "no class token": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "no class token, norm after pooling": {"class_token": False, "global_pool": "avg", "reg_tokens": 1},
    "class token, norm after pooling": {"global_pool": "avg"},
    "no last norm": {"final_norm": False},
}
CHOICES = [(tap, "none") for tap in ("block", "norm1", "norm2", "attn_branch", "mlp_branch", "mlp_hidden")]
CHOICES += [("block", "final")]


def network(name: str, architecture: str = "vit_tiny_patch16_224", **options: Any) -> TimmViT:
    """A small network whose norms are not those of a fresh network."""
    model = tiny(architecture, **(SMALL | NETWORKS.get(name, {}) | options))
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter_name, parameter in model.network.named_parameters():
            if "norm" in parameter_name:
                parameter.normal_(1, 0.5, generator=draws)
    return model


def read(model: TimmViT | Noise, pixels: Tensor, readout: Readout) -> list[Tensor]:
    """The vectors of every layer, as a pass hands them over."""
    found: list[Tensor] = []

    def sink(layer: int, tap: Tap, values: Tensor) -> None:
        ((again, out),) = vectors(model, values, [readout])
        assert again == readout
        found.append(out.clone())

    with torch.inference_mode():
        model.stream(pixels, frozenset({readout.tap}), sink)
    return found


def written_out(model: TimmViT, pixels: Tensor, tap: str) -> list[Tensor]:
    """The tokens of every block, step by step."""
    net: Any = model.network
    tokens, found = net.norm_pre(net.patch_drop(net._pos_embed(net.patch_embed(pixels)))), []
    for block in net.blocks:
        norm1 = block.norm1(tokens)
        attn_branch = block.ls1(block.attn(norm1))
        norm2 = block.norm2(tokens + attn_branch)
        mlp_hidden = F.gelu(block.mlp.fc1(norm2))
        mlp_branch = block.ls2(block.mlp.fc2(mlp_hidden))
        tokens = tokens + attn_branch + mlp_branch
        found.append({**locals(), "block": tokens}[tap])
    return found


def expected(model: TimmViT, tokens: Tensor, readout: Readout) -> Tensor:
    """One layer's vectors, from timm's own modules."""
    net: Any = model.network
    prefix, final = net.num_prefix_tokens, readout.norm == "final"
    if final:
        tokens = net.norm(tokens)  # nothing where the network norms after pooling
    after = net.fc_norm if final else torch.nn.Identity()
    parts = {"tokens": after(tokens), "mean": after(tokens[:, prefix:].mean(dim=1))}
    if net.cls_token is not None:
        parts["cls"] = after(tokens[:, 0])
        parts["cls+mean"] = torch.cat([parts["cls"], parts["mean"]], dim=1)
    parts["auto"] = parts.get("cls", parts["mean"])
    wanted: Tensor = parts[readout.feature]
    return wanted


@pytest.mark.parametrize(("tap", "norm"), CHOICES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_readout_of_every_kind_of_network(name: str, tap: Tap, norm: Norm) -> None:
    model = network(name)
    pixels = images(model)
    if norm == "final" and name == "no last norm":
        assert model.info.last_norm == ""
        return
    with torch.inference_mode():
        tokens = written_out(model, pixels, tap)
    for feature in get_args(Feature):
        readout = Readout(feature, tap, norm)
        if readout.lacking(model.info):
            assert "no class token" in name
            continue
        found = read(model, pixels, readout)
        for layer, each in zip(found, tokens, strict=True):
            with torch.inference_mode():
                wanted = expected(model, each, readout)
            torch.testing.assert_close(layer, wanted, rtol=1e-4, atol=1e-5)
            assert layer.shape[-1] == readout.width(model.info)


@pytest.mark.parametrize(
    "architecture", ["vit_tiny_patch16_224", "eva02_tiny_patch14_224", "naflexvit_base_patch16_gap"]
)
def test_the_hidden_layer_is_what_the_last_linear_layer_gets(architecture: str) -> None:
    """EVA-02 gates it and norms it inside the MLP."""
    sizes: dict[str, Any] = {"init_values": None} if architecture.startswith("vit") else {}
    if architecture.startswith("vit"):
        model = network("class token and registers", mlp_layer=SwiGLU, **sizes)
    else:
        width = {"embed_dim": 24, "num_heads": 3, "depth": 2}
        model = tiny(architecture, **(width if architecture.startswith("naflex") else width | {"img_size": 28}))
    pixels = images(model)
    for number, hidden in enumerate(read(model, pixels, Readout("tokens", "mlp_hidden"))):
        block: Any = model.network.get_submodule(f"blocks.{number}")
        mlp, scale = block.mlp, getattr(block, "ls2", torch.nn.Identity())
        norm2 = read(model, pixels, Readout("tokens", "norm2"))[number]
        branch = read(model, pixels, Readout("tokens", "mlp_branch"))[number]
        with torch.inference_mode():
            if hasattr(mlp, "fc1_g"):
                by_hand = mlp.norm(mlp.act(mlp.fc1_g(norm2)) * mlp.fc1_x(norm2))
                torch.testing.assert_close(hidden, by_hand, rtol=1e-4, atol=1e-5)
            again = scale(F.linear(hidden, mlp.fc2.weight, mlp.fc2.bias))
            torch.testing.assert_close(again, branch, rtol=1e-4, atol=1e-5)


def test_an_unusual_mlp_has_no_hidden_tap() -> None:
    model = network("class token and registers")
    for block in model.network.blocks:  # type: ignore[union-attr]
        block.mlp = torch.nn.Sequential(torch.nn.Linear(24, 24))
    again = TimmViT(model.network, "odd")
    assert again.info.mlp_width == 0
    assert "mlp_hidden" not in again.info.taps
    assert Readout("cls", "mlp_hidden").lacking(again.info) == "the tap mlp_hidden"
    preflight_check(again, torch.device("cpu"), torch.float32)


def test_the_noise_model_has_every_readout() -> None:
    model, pixels = Noise(RECIPES["noise-b16"], 0, (32, 32)), torch.zeros(2, 3, 32, 32)
    hidden = read(model, pixels, Readout("cls", "mlp_hidden"))
    assert hidden[0].shape == (2, 4 * 768)
    assert not torch.equal(hidden[0], hidden[1])
    final = read(model, pixels, Readout("tokens", norm="final"))[0]
    torch.testing.assert_close(final.mean(dim=-1), torch.zeros(2, 5), rtol=0, atol=1e-5)


def test_a_broken_last_norm_is_detected_before_the_pass() -> None:
    model = network("class token and registers")
    model.network.norm = torch.nn.Linear(24, 7)
    with pytest.raises(TeachMattersError, match=r"its last norm turns \(2, 19, 24\) into \(2, 19, 7\)"):
        preflight_check(model, torch.device("cpu"), torch.float32)


def test_the_norm_is_only_for_the_block_tap() -> None:
    with pytest.raises(TeachMattersError, match="norm=final with tap=norm1"):
        Readout("cls", "norm1", "final")


def test_parameters_choose_the_readout() -> None:
    info = network("no last norm").info
    assert Readout.of({}) == Readout()
    assert Readout.of({"tap": "norm2"}, "tokens") == Readout("tokens", "norm2")
    assert Readout.of({"feature": "mean", "norm": "final"}) == Readout("mean", "block", "final")
    assert Readout("cls+mean").parts(info) == (Readout("cls"), Readout("mean"))
    assert Readout().parts(info) == (Readout("cls"),)
