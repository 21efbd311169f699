from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from teachmatters.errors import TeachMattersError
from teachmatters.models.recipes import Layout
from teachmatters.models.state_dicts import convert, load
from tests.models.helpers import tiny

PATH = Path("weights.pth")


def network(seed: int = 0) -> nn.Module:
    model = tiny(img_size=32, embed_dim=48, num_heads=3).network
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.fill_(seed + number)
    return model


def state(**more: Any) -> dict[str, Any]:
    return dict(network(100).state_dict()) | more


def test_a_state_dict_fills_the_network() -> None:
    model, given = network(), state()
    load(model, given, "timm", PATH, "ViT-Ti/16")
    assert all(torch.equal(value, given[key]) for key, value in model.state_dict().items())


def test_half_precision_becomes_the_networks_own() -> None:
    model = network()
    load(model, {key: value.half() for key, value in state().items()}, "timm", PATH, "ViT-Ti/16")
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    ("layout", "leftover"),
    [("timm", "head.weight"), ("timm", "fc_norm.bias"), ("dino", "head.bias"), ("mae", "decoder_embed.weight")],
)
def test_known_leftovers_are_left(layout: Layout, leftover: str) -> None:
    load(network(), state(**{leftover: torch.ones(2)}), layout, PATH, "ViT-Ti/16")


@pytest.mark.parametrize(
    ("layout", "leftover"), [("timm", "decoder_embed.weight"), ("dino", "mask_token"), ("mae", "blocks.2.norm1.weight")]
)
def test_unknown_leftovers_are_an_error(layout: Layout, leftover: str) -> None:
    with pytest.raises(TeachMattersError, match=f"also holds {leftover}"):
        load(network(), state(**{leftover: torch.ones(2)}), layout, PATH, "ViT-Ti/16")


def test_missing_parameters_are_named_three_and_counted() -> None:
    given = {key: value for key, value in state().items() if not key.startswith("blocks.1.norm")}
    names = r"blocks\.1\.norm1\.weight, blocks\.1\.norm1\.bias, blocks\.1\.norm2\.weight, \.\.\. \(4 in all\)"
    with pytest.raises(TeachMattersError, match=f"lacks {names}: it is not a ViT-Ti/16"):
        load(network(), given, "timm", PATH, "ViT-Ti/16")


def test_an_entry_that_is_no_tensor_is_missing() -> None:
    with pytest.raises(TeachMattersError, match=r"lacks cls_token: it is not"):
        load(network(), state(cls_token=[1.0]), "timm", PATH, "ViT-Ti/16")


def test_a_file_of_something_else_tells_what_it_holds() -> None:
    with pytest.raises(TeachMattersError, match="it holds epoch, optimizer; name"):
        load(network(), {"epoch": 3, "optimizer": {}}, "timm", PATH, "ViT-Ti/16")


def test_other_shapes_are_named() -> None:
    given = state(cls_token=torch.ones(1, 1, 96))
    with pytest.raises(TeachMattersError, match=r"cls_token \(1, 1, 96\) instead of \(1, 1, 48\): it is not"):
        load(network(), given, "timm", PATH, "ViT-Ti/16")


def test_an_error_leaves_the_network_as_it_was() -> None:
    model = network()
    with pytest.raises(TeachMattersError):
        load(model, state(unknown=torch.ones(1)), "timm", PATH, "ViT-Ti/16")
    assert all(torch.equal(value, network().state_dict()[key]) for key, value in model.state_dict().items())


ONE: dict[str, Tensor] = {"cls_token": torch.ones(1)}


@pytest.mark.parametrize(
    ("layout", "content"),
    [
        ("timm", ONE),
        ("timm", {"model": ONE}),
        ("timm", {"state_dict": ONE, "epoch": 3}),
        ("timm", {"module.cls_token": torch.ones(1)}),
        ("dino", ONE),
        ("mae", {"model": ONE}),
        ("mae", ONE),
    ],
)
def test_official_layouts_become_timms(layout: Layout, content: dict[str, Any]) -> None:
    assert convert(content, layout, PATH, "x") == ONE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"model": ONE}, "looks like an MAE checkpoint"),
        (ONE | {"mask_token": torch.ones(1)}, "looks like an MAE checkpoint"),
        ({"student": ONE, "teacher": ONE}, "whole DINO training checkpoint"),
    ],
)
def test_another_familys_file_given_for_dino_is_recognised(content: dict[str, Any], why: str) -> None:
    with pytest.raises(TeachMattersError, match=why):
        convert(content, "dino", PATH, "dino-b16")
