from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from teachmatters import registry
from teachmatters.api import ModelAdapter, ModelRequest, ModelSource, ModelSpec
from teachmatters.errors import TeachMattersError
from teachmatters.models.networks import described
from teachmatters.models.recipes import IMAGENET
from teachmatters.models.sources import open_named, open_random
from teachmatters.models.timm.vit import TimmViT
from teachmatters.models.weights.positions import resample
from teachmatters.models.weights.weight_files import identity
from tests.models.conftest import Checkpoints
from tests.models.helpers import request


def test_the_identity_of_a_file_needs_no_network(dino_s16: Path) -> None:
    source = open_named(request("dino-s16", dino_s16))
    network = described("vit_small_patch16_224", {}, IMAGENET)
    assert source.weights == identity(torch.load(dino_s16, weights_only=True), network)


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


MISTAKEN = [
    (
        "dino-b16",
        "dino-s16",
        r"a ViT-S/16 in timm's names, and dino-b16 is a ViT-B/16: .* timm/vit_small_patch16",
    ),
    ("dino-s8", "dino-s16", r"a ViT-S/16 .*, and dino-s8 is a ViT-S/8: patch_embed.proj.weight is \(384, 3, 16, 16\)"),
    (
        "mae-l16",
        "mae-b16",
        r"a ViT-B/16 .* under 'model', and mae-l16 is a ViT-L/16: .* timm/vit_base_patch16",
    ),
    ("dino-s16", "moco-s16", r"holds MoCo-v3's weights, a ViT-S/16, .* --model moco-s16"),
    ("supervised-b16", "clip-b16", r"lacks patch_embed.proj.bias; .* timm/vit_base_patch16_clip_224 with"),
    ("moco-b16", "beit-b16", r"a ViT-B/16 .* lacks pos_embed, .* --model beit-b16"),
    ("supervised-b16-384", "mae-b16", r"for images of that size use supervised-b16-384@224"),
]


@pytest.mark.parametrize(("name", "file", "why"), MISTAKEN)
def test_a_file_of_another_family_or_size_is_recognised(
    name: str, file: str, why: str, checkpoint: Checkpoints
) -> None:
    with pytest.raises(TeachMattersError, match=why):
        open_named(request(name, checkpoint(file))).build()


def test_a_plain_file_of_another_resolution_is_recognised(dino_s16: Path, tmp_path: Path) -> None:
    state = torch.load(dino_s16, weights_only=True)
    state["pos_embed"] = torch.zeros(1, 577, 384)
    torch.save(state, tmp_path / "at384.pth")
    with pytest.raises(TeachMattersError, match=r"for 384 x 384 pixels .*, and dino-s16 .* use dino-s16@384"):
        open_named(request("dino-s16", tmp_path / "at384.pth")).build()


def test_random_networks_depend_only_on_their_seed() -> None:
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


def sized(name: str, weights: Path | None = None, seed: int = 0) -> ModelSource:
    spec = registry.load().model(name)
    made: ModelSource = registry.call(spec.factory, ModelRequest(spec=spec, weights=weights, seed=seed))
    return made


@pytest.mark.parametrize("name", ["random-s32@64x96", "mini-random@32x40", "mini-dino@32x40", "noise-b16@32x48"])
def test_every_available_model_takes_a_size(name: str) -> None:
    model = sized(name).build()
    rows, columns = (int(side) for side in name.partition("@")[2].split("x"))
    assert model.info.input_size == (rows, columns)
    assert model.forward(torch.zeros(1, 3, rows, columns)).shape == (1, model.info.tokens, model.info.width)
    assert sized(name).weights == sized(name).weights != sized(name.partition("@")[0]).weights


def test_a_file_is_resampled_to_the_requested_size(dino_s16: Path) -> None:
    state = torch.load(dino_s16, weights_only=True)
    named, own = sized("dino-s16@64", dino_s16), sized("timm/vit_small_patch16_224.dino@64", dino_s16)
    assert named.weights == own.weights != sized("dino-s16", dino_s16).weights
    first, second = named.build(), own.build()
    assert isinstance(first, TimmViT)
    assert isinstance(second, TimmViT)
    truth = resample(state["pos_embed"], (4, 4), 1)
    for model in (first, second):
        assert torch.equal(model.network.state_dict()["pos_embed"], truth)
        assert torch.equal(model.network.state_dict()["blocks.3.mlp.fc1.weight"], state["blocks.3.mlp.fc1.weight"])


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("clip-b16", ("clip-b16", "timm/vit_base_patch16_clip_224")),  # QuickGELU and GELU
        ("dino-s16", ("dino-s16", "moco-s16")),  # 6 and 12 heads
        ("dino-s16", ("dino-s16", "supervised-s16")),  # other mean and deviation of the channels
        ("dino-s16", ("timm/vit_small_patch16_224.dino", "timm/vit_small_patch16_224.augreg_in21k")),
        ("dino-s16", ("dino-s16@64", "dino-s16@64x96", "supervised-s16@64")),
    ],
)
def test_one_file_in_different_networks_is_several_models(
    file: str, names: tuple[str, ...], checkpoint: Checkpoints
) -> None:
    assert len({sized(name, checkpoint(file)).weights for name in names}) == len(names)


def test_requesting_the_native_size_gives_the_same_model(dino_s16: Path) -> None:
    assert sized("dino-s16@224", dino_s16).weights == sized("dino-s16", dino_s16).weights


def test_weights_for_an_untrained_network_are_refused(dino_s16: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"untrained network; .* dino-s16, or with timm/vit_small_patch16_224"):
        open_random(request("random-s16", dino_s16))


def test_a_plain_file_for_moco_is_read_with_a_remark(dino_s16: Path) -> None:
    spec = ModelSpec(name="moco-s16", family="moco", supervision="contrast", summary="")
    source = open_named(ModelRequest(spec=spec, weights=dino_s16))
    assert source.build().info.heads == 12
    assert source.remarks == (f"{dino_s16} does not say that it is MoCo-v3's: it is read with 12 heads",)
