from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from teachmatters.api import ModelAdapter
from teachmatters.errors import TeachMattersError
from teachmatters.models.sources import open_named, open_random
from teachmatters.models.timm_vit import TimmViT
from tests.fixtures import save_moco_s16
from tests.models.helpers import request


def test_a_files_identity_is_known_without_building(dino_s16: Path) -> None:
    source = open_named(request("dino-s16", dino_s16))
    assert source.weights == hashlib.sha256(dino_s16.read_bytes()).hexdigest()


def test_official_and_timm_layout_give_the_same_network(dino_s16: Path, tmp_path: Path) -> None:
    state = torch.load(dino_s16, weights_only=True)
    save_file(state, tmp_path / "timm.safetensors")
    for path in (dino_s16, tmp_path / "timm.safetensors"):
        model = open_named(request("dino-s16", path)).build()
        assert isinstance(model, TimmViT)
        assert all(torch.equal(value, state[key]) for key, value in model.network.state_dict().items())


def test_family_facts_reach_the_adapter(dino_s16: Path) -> None:
    info = open_named(request("dino-s16", dino_s16)).build().info
    assert (info.arch, info.depth, info.heads, info.width, info.tokens) == ("ViT-S/16", 12, 6, 384, 197)
    assert (info.mean, info.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("name", ["dino-b16", "dino-s8"])
def test_a_checkpoint_of_another_size_is_refused(name: str, dino_s16: Path) -> None:
    with pytest.raises(TeachMattersError, match="instead of") as refusal:
        open_named(request(name, dino_s16)).build()
    assert f"it is not a ViT-{name[-3:].strip('-').upper()[0]}/" in str(refusal.value)


def test_an_mae_file_for_dino_is_said_to_look_wrong(mae_b16: Path) -> None:
    with pytest.raises(TeachMattersError, match="looks like an MAE checkpoint"):
        open_named(request("dino-b16", mae_b16)).build()


def test_a_moco_file_lacks_what_dino_needs(tmp_path: Path) -> None:
    save_moco_s16(tmp_path / "moco.pth")
    with pytest.raises(
        TeachMattersError, match=r"lacks cls_token, pos_embed, patch_embed.proj.weight, \.\.\. \(150 in all\)"
    ):
        open_named(request("dino-s16", tmp_path / "moco.pth")).build()


def test_random_is_a_function_of_its_seed() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    sources = [open_random(request("random-s32", seed=seed)) for seed in (0, 0, 1)]
    assert len({source.weights for source in sources}) == 2
    assert len(open_random(request("random-s16")).weights) == 64
    assert open_random(request("random-s16")).weights != sources[0].weights
    pixels = torch.ones(1, 3, 224, 224)
    first, same, other = (source.build().forward(pixels) for source in sources)
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_random_uses_half_for_mean_and_deviation() -> None:
    model: ModelAdapter = open_random(request("random-s32")).build()
    assert (model.info.mean, model.info.std, model.info.grid) == ((0.5,) * 3, (0.5,) * 3, (7, 7))


def test_weights_for_an_untrained_network_are_refused(dino_s16: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"untrained network; .* dino-s16, or with timm/vit_small_patch16_224"):
        open_random(request("random-s16", dino_s16))
