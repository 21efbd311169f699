"""Tests that every published layout loads and that the network computes what its paper defines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from teachmatters.models.files.checkpoints import read
from teachmatters.models.networks import hollow
from teachmatters.models.recipes import RECIPES
from teachmatters.models.sources import open_named
from teachmatters.models.timm.vit import TimmViT
from teachmatters.models.weights.recognise import family_of
from teachmatters.models.weights.wanted import Wanted
from teachmatters.models.weights.weight_files import Found, fill, find
from tests.models import official
from tests.models.conftest import Checkpoints
from tests.models.helpers import ORDER, Taken, images, request, streamed
from tests.models.plain_vit import gelu, plain_vit, quick_gelu

CLIP: dict[str, Any] = {"activation": quick_gelu, "eps": 1e-5}


def same(taken: Taken, expected: dict[tuple[int, str], Tensor], depth: int) -> None:
    assert list(taken) == [(layer, tap) for layer in range(1, depth + 1) for tap in ORDER]
    for place, value in taken.items():
        tolerance = 2e-4 * expected[place].abs().max().item()
        torch.testing.assert_close(value, expected[place], rtol=1e-3, atol=tolerance, msg=str(place))


# ---------------------------------------------------------------- the named models, at their own size
OFFICIAL: list[tuple[str, int, Callable[[Any], dict[str, Tensor]], dict[str, Any]]] = [
    ("dino-s16", 6, dict, {}),
    ("moco-s16", 12, lambda content: stripped(content["state_dict"], "module.base_encoder."), {}),
    ("mae-b16", 12, lambda content: content["model"], {}),
    ("beit-b16", 12, lambda content: content["model"], {}),
    ("clip-b16", 12, dict, CLIP),
]


def stripped(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


@pytest.mark.parametrize(("name", "heads", "of", "options"), OFFICIAL, ids=[row[0] for row in OFFICIAL])
def test_every_tap_equals_the_papers_definition(
    name: str, heads: int, of: Any, options: dict[str, Any], checkpoint: Checkpoints
) -> None:
    model = open_named(request(name, checkpoint(name))).build()
    assert isinstance(model, TimmViT)
    assert (model.info.heads, model.info.mean) == (heads, RECIPES[name].mean_std[0])
    pixels = images(model, 1)
    taken = streamed(model, pixels)
    same(taken, plain_vit(of(read(checkpoint(name))), pixels, patch=16, depth=12, heads=heads, **options), 12)
    assert torch.equal(taken[12, "mlp_skip"] + taken[12, "mlp_branch"], taken[12, "block"])
    torch.testing.assert_close(model.forward(pixels), taken[12, "block"], rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- every layout, tiny
PLAIN = official.state()
SHARED = official.beit_shared()
CLIP_STATE = official.state("vit_base_patch16_clip_quickgelu_224")
BEIT = "beit_base_patch16_224"
QUICK = "vit_base_patch16_clip_quickgelu_224"

LAYOUTS: dict[str, tuple[Any, str, dict[str, Tensor]]] = {
    "timm": (PLAIN, "vit_base_patch16_224", PLAIN),
    "mae, encoder alone": (official.mae(PLAIN, decoder=False, arguments=False), "vit_base_patch16_224", PLAIN),
    "mae with decoder": (official.mae(PLAIN, decoder=True, arguments=False), "vit_base_patch16_224", PLAIN),
    "mae with arguments": (official.mae(PLAIN, decoder=True, arguments=True), "vit_base_patch16_224", PLAIN),
    "moco": (official.moco(PLAIN), "vit_base_patch16_224", PLAIN),
    "beit": (official.beit(SHARED), BEIT, SHARED),
    "beit of transformers": (official.beit_hf(SHARED), BEIT, SHARED),
    "clip in timm's naming": (CLIP_STATE | {"head.weight": torch.zeros(8, 48)}, QUICK, CLIP_STATE),
    "clip of openai": (official.clip_openai(CLIP_STATE), QUICK, official.halved(CLIP_STATE)),
}


FILES = [(layout, ".pth") for layout in LAYOUTS] + [
    (layout, ".safetensors")
    for layout, (content, _, _) in LAYOUTS.items()
    if "model" not in content and layout != "moco"
]


def found_in(path: Path, architecture: str, **more: Any) -> Found:
    """What is found for the tiny network."""
    tiny = {name: value for name, value in (official.TINY | more).items() if name != "num_classes"}
    return find(path, Wanted("tiny", "ViT-tiny/16", architecture, lambda _: hollow(architecture, tiny)))


@pytest.mark.parametrize(("layout", "suffix"), FILES)
def test_a_layout_becomes_the_network_of_its_paper(layout: str, suffix: str, tmp_path: Path) -> None:
    content, architecture, plain = LAYOUTS[layout]
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(content, path)
    else:  # which hold tensors only
        save_file({key: value.contiguous() for key, value in content.items()}, path)
    more = {"global_pool": "token"} if architecture == BEIT else {}
    network = timm.create_model(architecture, **official.TINY | more)
    fill(network, found_in(path, architecture, **more))
    model = TimmViT(network, layout)
    pixels = images(model)
    options = CLIP if architecture == QUICK else {"activation": gelu}
    same(streamed(model, pixels), plain_vit(plain, pixels, patch=16, depth=2, heads=3, **options), 2)


@pytest.mark.parametrize("prefix", ["", "opt/target/"])
def test_googles_arrays_are_read_as_in_timm(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "B_16.npz"
    np.savez(path, **{prefix + name: array for name, array in official.augreg().items()})
    theirs: Any = timm.create_model("vit_base_patch16_224", **official.TINY | {"num_classes": 10})
    theirs.load_pretrained(str(path))
    ours = timm.create_model("vit_base_patch16_224", **official.TINY)
    found = found_in(path, "vit_base_patch16_224")
    fill(ours, found)
    expected = theirs.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in ours.state_dict().items())
    assert torch.equal(found.match.given["head.weight"], expected["head.weight"])
    assert (family_of(found.match.place, found.match.layout), found.match.layout) == ("supervised", "augreg")


@pytest.mark.parametrize(("pool", "norm", "where"), [("token", "fc_norm", "pooled"), ("avg", "norm", "tokens")])
def test_the_last_norm_follows_the_file(pool: str, norm: str, where: str, tmp_path: Path) -> None:
    """Fine-tuned on pooled patches and read by a network of class tokens, or the other way round."""
    state = {name.replace("norm.", f"{norm}.") if name.startswith("norm.") else name: x for name, x in PLAIN.items()}
    torch.save(state, tmp_path / "weights.pth")
    network = timm.create_model("vit_base_patch16_224", **official.TINY, global_pool=pool)
    fill(network, found_in(tmp_path / "weights.pth", "vit_base_patch16_224", global_pool=pool))
    model = TimmViT(network, "moved")
    assert model.info.last_norm == where
    values = torch.randn(2, 5, 48)
    expected = torch.nn.functional.layer_norm(values, (48,), PLAIN["norm.weight"], PLAIN["norm.bias"], 1e-6)
    torch.testing.assert_close(model.last_norm(values), expected)
