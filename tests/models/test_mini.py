from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import save_file

from teachmatters.errors import TeachMattersError
from teachmatters.models.fetch.presence import weights_here
from teachmatters.models.mini import cards, sources
from teachmatters.models.mini.sources import FOLDER, mini_network, open_mini
from teachmatters.models.mini.specs import INFO, SUPERVISIONS, mini_specs
from teachmatters.models.networks import create
from tests.models.helpers import request

TRAINED = [f"mini-{method}" for method in SUPERVISIONS]
SHIPPED = [name for name in TRAINED if (FOLDER / f"{name}.safetensors").exists()]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """As ``tm train`` writes them."""
    path = tmp_path / "mine.safetensors"
    state = {name: value.half() for name, value in mini_network(seed=3).state_dict().items()}
    save_file(state, path, metadata={"method": "dino"})
    return path


def test_a_network_matches_its_spec() -> None:
    info = open_mini(request("mini-random")).build().info
    assert info == INFO
    for spec in mini_specs():
        shape = (spec.arch, spec.patch_size, spec.image_size, spec.depth, spec.heads)
        assert shape == (info.arch, info.patch_size, info.image_size, info.depth, info.heads)
        empty = {field.name for field in dataclasses.fields(spec) if not getattr(spec, field.name)}
        assert empty <= {"resolve", "aliases"}


def test_positions_start_as_sines_of_the_row_and_of_the_column() -> None:
    """By hand for row 3, column 5: 24 sines and 24 cosines of the row, as many of the column, periods up to 2 pi 20."""
    network, other = cast("Any", mini_network()), cast("Any", mini_network(seed=1))
    found = network.pos_embed[0, 1 + 3 * 8 + 5].tolist()
    expected = [wave(place / 20 ** (i / 24)) for place in (3, 5) for wave in (math.sin, math.cos) for i in range(24)]
    assert found == pytest.approx(expected, abs=1e-6)
    assert not torch.equal(network.pos_embed, other.pos_embed)  # the class token's is timm's
    torch.testing.assert_close(network.pos_embed[:, 1:], other.pos_embed[:, 1:])


def test_the_location_of_the_weights() -> None:
    here = {spec.name: weights_here(spec) for spec in mini_specs()}
    assert here == dict.fromkeys(TRAINED, "part of the package") | {"mini-random": "none needed"}


def test_the_untrained_model_depends_on_its_seed() -> None:
    first, same, other = (open_mini(request("mini-random", seed=seed)) for seed in (0, 0, 1))
    assert first.weights == same.weights != other.weights
    pixels = torch.randn(1, 3, 64, 64)
    outputs = [source.build().forward(pixels) for source in (first, same, other)]
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])
    assert torch.equal(outputs[2], open_mini(request("mini-random", seed=1)).build().forward(pixels))


def test_a_file_of_tm_train_loads(weights: Path) -> None:
    source = open_mini(request("mini-dino", weights))
    model = source.build()
    expected = mini_network(seed=3).half().float().eval()
    pixels = torch.randn(2, 3, 64, 64)
    blocks = expected.forward_intermediates(pixels, output_fmt="NLC", return_prefix_tokens=True)[1]  # type: ignore[operator]
    torch.testing.assert_close(model.forward(pixels)[:, 1:], blocks[-1][0])
    assert len(source.weights) == 64


def test_full_precision_and_other_files_load_too(tmp_path: Path) -> None:
    torch.save({"model": mini_network(seed=3).state_dict()}, tmp_path / "mine.pth")
    model = open_mini(request("mini-mae", tmp_path / "mine.pth")).build()
    assert model.info == INFO


def test_a_file_of_another_method_is_refused(weights: Path) -> None:
    with pytest.raises(TeachMattersError, match="was trained by the method 'dino'; use --model mini-dino"):
        open_mini(request("mini-mae", weights)).build()


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    network = create("vit_tiny_patch16_224", {"img_size": 64, "depth": 1})
    save_file(network.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(TeachMattersError, match=r"holds a ViT-Ti/16 .* and mini-mae is a ViT-mini/8"):
        open_mini(request("mini-mae", tmp_path / "other.safetensors")).build()


def test_the_untrained_model_refuses_weights(weights: Path) -> None:
    with pytest.raises(TeachMattersError, match="mini-random, which is an untrained network"):
        open_mini(request("mini-random", weights))


def test_missing_bundled_weights_are_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    with pytest.raises(TeachMattersError, match=r"lacks the weights of mini-moco .* 'tm train --method moco' makes"):
        open_mini(request("mini-moco"))


def test_a_card_is_shown_in_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = {
        "data": {"dataset": "scenes", "parameters": {"size": 64, "world": 0}},
        "distinct_images": 30000,
        "images_seen": 60000,
        "steps": 1875,
        "batch_size": 32,
        "seed": 0,
        "optimiser": "AdamW 0.001",
        "seconds": 1234.5,
        "device": "cpu (fast)",
        "threads": 1,
        "loss_curve": [[32, 5.5], [64, 2.25]],
        "command": "tm train --method dino",
        "sanity": {"knn-top1": 40.5},
    }
    (tmp_path / "mini-dino.json").write_text(json.dumps(card), "utf-8")
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    assert cards.training("mini-dino") == [
        "60,000 images seen, of the 30,000 of scenes (size=64, world=0)",
        "1,875 steps of 32, seed 0, AdamW 0.001",
        "1,234 s on cpu (fast), threads: 1",
        "loss 5.5 to 2.25",
        "tm train --method dino",
        "knn-top1: 40.5",
    ]
    assert cards.training("mini-mae") == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_load_and_have_a_card(name: str) -> None:
    source = open_mini(request(name))
    assert torch.isfinite(source.build().forward(torch.zeros(1, 3, 64, 64))).all()
    card = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert card["model"] == name
    assert card["command"].startswith(f"tm train --method {name.removeprefix('mini-')} --data scenes")
    assert card["images_seen"] == card["steps"] * card["batch_size"]
    assert cards.training(name)


@pytest.mark.parametrize("fact", ["data", "distinct_images", "seed"])
def test_shipped_models_share_images_and_initialisation(fact: str) -> None:
    cards = [json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in SHIPPED]
    assert len({json.dumps(card[fact], sort_keys=True) for card in cards}) <= 1


def test_all_six_are_shipped() -> None:
    assert SHIPPED == TRAINED


def test_all_shipped_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) < 18e6
