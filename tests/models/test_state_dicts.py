from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from teachmatters.errors import TeachMattersError
from teachmatters.models.recipes import Layout
from teachmatters.models.state_dicts import load
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
    [
        ("timm", "head.weight"),
        ("timm", "fc_norm.bias"),
        ("clip", "head.bias"),
        ("mae", "decoder_embed.weight"),
        ("mae", "mask_token"),
    ],
)
def test_known_leftovers_are_left(layout: Layout, leftover: str) -> None:
    load(network(), state(**{leftover: torch.ones(2)}), layout, PATH, "ViT-Ti/16")


@pytest.mark.parametrize(
    ("layout", "leftover"),
    [
        ("timm", "decoder_embed.weight"),
        ("timm", "mask_token"),
        ("moco", "head.weight"),
        ("moco", "queue"),
        ("mae", "blocks.2.norm1.weight"),
    ],
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


def test_a_norm_that_fine_tuning_moved_behind_the_pooling_is_the_last_one() -> None:
    given = state()
    for part in ("weight", "bias"):
        given[f"fc_norm.{part}"] = given.pop(f"norm.{part}") + 1
    model = network()
    load(model, given, "timm", PATH, "ViT-Ti/16")
    assert torch.equal(model.state_dict()["norm.bias"], given["fc_norm.bias"])


def test_a_norm_of_its_own_is_not_replaced() -> None:
    given = state()
    given["fc_norm.bias"] = given["norm.bias"] + 1
    model = network()
    load(model, given, "timm", PATH, "ViT-Ti/16")
    assert torch.equal(model.state_dict()["norm.bias"], given["norm.bias"])
