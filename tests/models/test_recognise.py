from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from teachmatters.errors import TeachMattersError
from teachmatters.models.recognise import recognise
from tests.models import official

PATH = Path("weights.pth")
ONE: dict[str, Tensor] = {"cls_token": torch.ones(1)}


@pytest.mark.parametrize(
    "content", [ONE, {"model": ONE}, {"state_dict": ONE, "epoch": 3}, {"module.cls_token": torch.ones(1)}]
)
def test_wrappers_and_prefixes_are_taken_off(content: dict[str, Any]) -> None:
    assert recognise(content, PATH).state == ONE


def wide(width: int, patch: int, depth: int, tokens: int) -> dict[str, Tensor]:
    """The names and shapes that tell a size."""
    blocks = {f"blocks.{number}.norm1.weight": torch.ones(width) for number in range(depth)}
    kernel, positions = torch.zeros(width, 3, patch, patch), torch.zeros(1, tokens, width)
    return {"patch_embed.proj.weight": kernel, "pos_embed": positions} | blocks


@pytest.mark.parametrize(
    ("content", "words", "model"),
    [
        ({"model": wide(1024, 16, 24, 197) | {"mask_token": torch.ones(1)}}, "MAE ViT-L/16", "mae-l16"),
        ({"model": wide(1280, 14, 32, 257)}, "MAE ViT-H/14", "mae-h14"),
        ({"model": wide(384, 16, 12, 197) | {"head.weight": torch.ones(1)}}, "ViT-S/16", ""),
        ({"model": wide(384, 16, 12, 197), "epoch": 3}, "ViT-S/16", ""),  # MAE published none of this size
        (wide(768, 32, 12, 145), "ViT-B/32 at 384", ""),
        (wide(1024, 14, 24, 577) | {"norm_pre.weight": torch.ones(1)}, "CLIP ViT-L/14 at 336", "clip-l14-336"),
        (wide(384, 16, 6, 197), "ViT-S/16 of 6 layers", ""),
        (wide(100, 16, 12, 197), "ViT-100/16 of 12 layers", ""),
        ({"optimizer": {}, "epoch": 3}, "", ""),
    ],
)
def test_a_file_is_named_by_its_names_and_shapes(content: dict[str, Any], words: str, model: str) -> None:
    found = recognise(content, PATH)
    assert (found.words, found.model) == (words, model)


@pytest.mark.parametrize(
    ("content", "family"),
    [
        (official.moco(official.state()), "moco"),
        (official.beit(official.beit_shared()), "beit"),
        (official.beit_hf(official.beit_shared()), "beit"),
        (official.state("beit_base_patch16_224"), "beit"),
        (official.state("vit_base_patch16_clip_quickgelu_224"), "clip"),
        (official.clip_openai(official.state("vit_base_patch16_clip_quickgelu_224")), "clip"),
        (official.augreg(), "supervised"),
        (official.mae(official.state(), decoder=True, arguments=False), "mae"),
        (official.state(), ""),
        (official.state("vit_small_patch14_reg4_dinov2", img_size=56), ""),
        (official.state("eva02_tiny_patch14_224", img_size=56), ""),
    ],
)
def test_the_family_is_told_where_names_tell_it(content: dict[str, Any], family: str) -> None:
    assert recognise(content, PATH).family == family


def test_a_whole_training_run_of_dino_is_refused() -> None:
    with pytest.raises(TeachMattersError, match=r"whole DINO training checkpoint .student, teacher.* 'backbone only'"):
        recognise({"student": ONE, "teacher": ONE}, PATH)


def test_what_is_unknown_is_kept_for_the_loader_to_refuse() -> None:
    moco = official.moco(official.state())
    moco["state_dict"]["queue"] = torch.ones(1)
    assert "queue" in recognise(moco, PATH).state
    assert "surprise" in recognise(official.beit_hf(official.beit_shared()) | {"surprise": ONE}, PATH).state
