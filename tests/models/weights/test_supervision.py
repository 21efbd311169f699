"""Tests of the supervision inferred from a weight file: only from its layout or its own record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from teachmatters.api import SUPERVISIONS
from teachmatters.models.mini import sources
from teachmatters.models.sources import open_named
from teachmatters.models.weights.finding import places
from teachmatters.models.weights.matching import matches
from teachmatters.models.weights.supervision import TRAINED, supervision_told
from tests.models import official
from tests.models.helpers import request


def told(content: Mapping[str, Any]) -> str:
    architectures = ("vit_base_patch16_224", "vit_base_patch16_clip_224", "beit_base_patch16_224")
    networks = [official.network(each) for each in architectures[:2]]
    networks.append(official.network(architectures[2], global_pool="token"))
    found = [match for place in places(content) for network in networks for match in matches(place, network)]
    return supervision_told(next(match for match in found if match.fits))


def with_mae_positions(state: official.State) -> official.State:
    """MAE's table: halves for columns and rows, each sines then cosines, a row of zeros for the class token."""
    quarter = official.WIDTH // 4
    rows = [[0.0] * official.WIDTH]
    for y in range(official.SIDE):
        for x in range(official.SIDE):
            angles = [[p / 10000 ** (k / quarter) for k in range(quarter)] for p in (x, y)]
            rows.append([f(a) for half in angles for f in (math.sin, math.cos) for a in half])
    return state | {"pos_embed": torch.tensor([rows])}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (lambda: official.moco(official.state()), "contrast"),
        (lambda: official.clip_openai(official.state("vit_base_patch16_clip_224")), "image-text contrast"),
        (official.augreg, "labels"),
        (lambda: official.beit(official.beit_shared()), "masked token prediction"),
        (lambda: official.beit_hf(official.beit_shared()), "masked token prediction"),
        (lambda: official.mae(official.state(), decoder=True, arguments=True), "masked reconstruction"),
        (lambda: {"model": with_mae_positions(official.state())}, "masked reconstruction"),
        (lambda: official.halved(with_mae_positions(official.state())), "masked reconstruction"),
        # anybody's
        (official.state, ""),
        (lambda: {"model": official.state()}, ""),
        (lambda: {"state_dict": official.state()}, ""),
        (lambda: official.beit_hf(official.beit_shared()) | {"classifier.weight": torch.zeros(2, 48)}, ""),
    ],
)
def test_a_layout_names_the_supervision_or_leaves_it_blank(content: Callable[[], Mapping[str, Any]], word: str) -> None:
    assert told(content()) == word


def test_supervisions_are_those_of_the_families() -> None:
    assert set(TRAINED.values()) < set(SUPERVISIONS)


def test_the_adapter_has_the_supervision(dino_s16: Path, tmp_path: Path) -> None:
    assert open_named(request("dino-s16", dino_s16)).build().info.supervision == ""


def test_a_file_of_tm_train_names_its_method(tmp_path: Path) -> None:
    trained = sources.FOLDER / "mini-dino.safetensors"
    assert sources.open_mini(request("mini-dino", trained)).build().info.supervision == "self-distillation"
    torch.save(sources.mini_network().state_dict(), tmp_path / "mine.pth")
    assert sources.open_mini(request("mini-dino", tmp_path / "mine.pth")).build().info.supervision == ""
