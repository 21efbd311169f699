"""What is read is what transformers itself returns, and what a textbook makes of its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from hf_networks import NETWORKS, ORDER, WIDE, edit, images, made, opened, save, streamed, traces
from hf_oracles import own, textbook
from torch import Tensor

from teachmatters.api import ModelRequest, Tap
from teachmatters.errors import TeachMattersError
from teachmatters.models.timm.vit import TimmViT
from teachmatters.models.weights.positions import fit
from teachmatters.runner.forward.preflight import preflight_check
from teachmatters_hf.model import open_model, resolve

# Class token and registers of the types that differ from (True, 0).
PREFIX = {"dinov2-registers": (True, 3), "dinov3": (True, 4), "dinov3-swiglu": (True, 2), "deit": (True, 1)}
PREFIX |= dict.fromkeys(("siglip", "siglip-vision", "siglip2", "siglip2-vision", "ijepa", "aimv2"), (False, 0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(name, tmp_path_factory.mktemp(name)) for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
def test_taps_equal_what_transformers_returns(name: str, saved: dict[str, Path]) -> None:
    model = opened(saved[name]).build()
    pixels = images(model)
    before = traces(model.network)
    taken = streamed(model, pixels)
    assert traces(model.network) == before
    assert list(taken) == [(layer, tap) for layer in (1, 2) for tap in ORDER]

    network, hidden, attentions = own(name, saved[name], pixels)
    blocks = [module for module in network.modules() if type(module).__name__.endswith("Layer")]
    assert len(hidden) == 3
    assert len(attentions) == len(blocks) == 2
    for number, (block, start, end, attention) in enumerate(
        zip(blocks, hidden, hidden[1:], attentions, strict=False), 1
    ):
        truth = {"attention": attention} | textbook(block, start, attention)
        torch.testing.assert_close(truth["block"], end, rtol=1e-4, atol=1e-5)
        for tap in ORDER:
            torch.testing.assert_close(taken[number, tap], truth[tap], rtol=1e-4, atol=1e-5, msg=f"{number} {tap}")
        assert attention.std(dim=-1).min() > 1e-4, "attention that is uniform would prove nothing"
    torch.testing.assert_close(model.forward(pixels), hidden[-1], rtol=1e-4, atol=1e-5)
    assert traces(model.network) == before


@pytest.mark.parametrize("name", NETWORKS)
def test_the_last_norm_equals_that_of_transformers(name: str, saved: dict[str, Path]) -> None:
    model = opened(saved[name]).build()
    pixels = images(model)
    network, hidden, _ = own(name, saved[name], pixels)
    assert model.info.last_norm == ("" if name == "data2vec" else "tokens")
    if name in ("clip", "clip-vision", "beit", "data2vec", "mae") or "siglip2" in name:
        return  # their last_hidden_state is not normed, belongs to a shuffled image, or needs patches
    with torch.no_grad():
        truth = network(pixels).last_hidden_state
        torch.testing.assert_close(model.last_norm(hidden[-1]), truth, rtol=1e-4, atol=1e-5)


def test_the_last_norm_of_beit_follows_its_weights(saved: dict[str, Path], tmp_path: Path) -> None:
    """Pretraining norms every token, beside the tower; fine-tuning norms the pooled patches."""
    whole = made("beit")
    pretrained = opened(saved["beit"]).build()
    vectors = torch.randn(2, 17, 32)
    with torch.no_grad():
        torch.testing.assert_close(pretrained.last_norm(vectors), whole.layernorm(vectors))
    tuned: Any = transformers.BeitForImageClassification(transformers.BeitConfig(**WIDE))
    with torch.no_grad():
        tuned.beit.pooler.layernorm.weight.normal_()
    tuned.save_pretrained(tmp_path)
    model = opened(tmp_path).build()
    assert model.info.last_norm == "pooled"
    with torch.no_grad():
        torch.testing.assert_close(model.last_norm(vectors), tuned.beit.pooler.layernorm(vectors))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_passes_the_preflight_check_with_its_tokens(name: str, saved: dict[str, Path]) -> None:
    model = opened(saved[name]).build()
    preflight_check(model, torch.device("cpu"), torch.float32)
    class_token, registers = PREFIX.get(name, (True, 0))
    grid = (4, 2) if name == "vit-rectangle" else (4, 4)
    assert (model.info.class_token, model.info.registers, model.info.grid) == (class_token, registers, grid)
    assert (model.info.depth, model.info.heads, model.info.width, model.info.patch_size) == (2, 4, 32, 8)
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


ONE_SIZE = ("vit-rectangle", "aimv2")
SIZES = [name for name in NETWORKS if name not in (*ONE_SIZE, "clip-vision", "siglip-vision", "vit-classifier")]


@pytest.mark.parametrize("name", SIZES)
def test_images_of_the_image_processors_size_get_interpolated_positions(name: str, tmp_path: Path) -> None:
    edit(save(name, tmp_path) / "preprocessor_config.json", size={"shortest_edge": 64}, crop_size=48)
    model = opened(tmp_path).build()
    assert (model.info.image_size, model.info.grid) == (48, (6, 6))
    preflight_check(model, torch.device("cpu"), torch.float32)
    pixels = images(model)
    tells = name.startswith(("dino", "webssl", "beit", "siglip2"))
    asked = {} if tells else {"interpolate_pos_encoding": True}
    _, hidden, attentions = own(name, tmp_path, pixels, **asked)
    taken = streamed(model, pixels)
    torch.testing.assert_close(taken[2, "block"], hidden[-1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(taken[2, "attention"], attentions[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ONE_SIZE)
def test_another_size_than_the_fixed_one_is_refused(name: str, saved: dict[str, Path]) -> None:
    with pytest.raises(TeachMattersError, match="takes one size only; leave out the '@' and the size"):
        named(f"hf/{saved[name]}@64").build()


def test_a_size_behind_the_name_is_the_size_of_the_images(saved: dict[str, Path]) -> None:
    for name in ("dinov2", "dinov3", "siglip2", "data2vec"):
        model = named(f"hf/{saved[name]}@48x24").build()
        assert (model.info.grid, model.info.input_size) == ((6, 3), (48, 24))
        preflight_check(model, torch.device("cpu"), torch.float32)
        assert resolve(f"hf/{saved[name]}@48").image_size == 48
        assert named(f"hf/{saved[name]}@48").weights != named(f"hf/{saved[name]}").weights
    with pytest.raises(TeachMattersError, match=r"50 is not a multiple of 8, .* the nearest are 48 and 56"):
        named(f"hf/{saved['dinov3']}@50").build()


def named(name: str) -> Any:
    return open_model(ModelRequest(spec=resolve(name)))


@pytest.mark.parametrize("name", ["dinov2", "dinov2-registers"])
def test_a_dinov2_is_one_model_through_timm_at_another_size(name: str, saved: dict[str, Path]) -> None:
    model = named(f"hf/{saved[name]}@48").build()
    architecture = "vit_small_patch14_reg4_dinov2" if "registers" in name else "vit_small_patch14_dinov2"
    given: dict[str, Any] = {"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "mlp_ratio": 2}
    twin: Any = timm.create_model(architecture, img_size=48, num_classes=0, reg_tokens=model.info.registers, **given)
    state = in_timms_naming(model.network.state_dict())
    if "registers" in name:
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:]
    state, said = fit(twin, state)
    assert "4 x 4 patches resampled to 6 x 6" in said
    twin.load_state_dict({key: value for key, value in state.items() if key != "mask_token"})
    pixels = images(model)
    others = streamed(TimmViT(twin, "twin"), pixels)
    for place, value in streamed(model, pixels).items():
        torch.testing.assert_close(value, others[place], rtol=1e-4, atol=1e-4)


def test_a_network_of_rectangles_keeps_its_own_size(tmp_path: Path) -> None:
    edit(save("vit-rectangle", tmp_path) / "preprocessor_config.json", size=48)
    model = opened(tmp_path).build()
    assert (model.info.input_size, model.info.grid) == ((32, 16), (4, 2))
    assert resolve(f"hf/{tmp_path}").image_size == model.info.image_size == 16
    preflight_check(model, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("tap", ORDER)
def test_a_single_tap_gives_the_same_values_and_nothing_else(tap: Tap, saved: dict[str, Path]) -> None:
    model = opened(saved["clip"]).build()
    pixels = images(model)
    everything, alone = streamed(model, pixels), streamed(model, pixels, frozenset({tap}))
    assert list(alone) == [(1, tap), (2, tap)]
    for place, value in alone.items():
        torch.testing.assert_close(value, everything[place], rtol=1e-4, atol=1e-5)


def test_the_network_is_restored_even_after_a_failing_sink(saved: dict[str, Path]) -> None:
    model = opened(saved["dinov2"]).build()
    before = traces(model.network)

    def sink(layer: int, tap: Tap, value: Tensor) -> None:
        if (layer, tap) == (2, "attention"):
            raise RuntimeError("sink")

    with pytest.raises(RuntimeError, match="sink"):
        model.stream(images(model), model.info.taps, sink)
    assert traces(model.network) == before
    assert len(streamed(model, images(model))) == 2 * len(ORDER)


@pytest.mark.parametrize("name", ["dinov2", "beit", "siglip", "mae"])
def test_in_bfloat16_attention_is_still_softmaxed_in_float32(name: str, saved: dict[str, Path]) -> None:
    model = opened(saved[name]).build()
    pixels = images(model)
    exact = streamed(model, pixels)
    model.to(torch.device("cpu"), torch.bfloat16)
    preflight_check(model, torch.device("cpu"), torch.bfloat16)
    taken = streamed(model, pixels)
    for (layer, tap), value in taken.items():
        assert value.dtype == (torch.float32 if tap == "attention" else torch.bfloat16)
        torch.testing.assert_close(value.float(), exact[layer, tap], rtol=0.1, atol=0.1)
    sums = taken[1, "attention"].sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)


def test_timm_reads_the_same_from_the_same_weights(tmp_path: Path) -> None:
    edit(save("vit", tmp_path) / "config.json", layer_norm_eps=1e-6)
    model = opened(tmp_path).build()
    twin = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=4,
        mlp_ratio=2,
        num_classes=0,
    )
    twin.load_state_dict(in_timms_naming(model.network.state_dict()))
    pixels = images(model)
    others = streamed(TimmViT(twin, "twin"), pixels)
    for place, value in streamed(model, pixels).items():
        torch.testing.assert_close(value, others[place], rtol=1e-4, atol=1e-5)


def in_timms_naming(state: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {
        "embeddings.cls_token": "cls_token", "embeddings.position_embeddings": "pos_embed",
        "embeddings.patch_embeddings.projection": "patch_embed.proj", "layernorm_before": "norm1",
        "layernorm_after": "norm2", "attention.o_proj": "attn.proj", "attention.q_proj": "attn.qkv",
        "layernorm": "norm", "layers": "blocks", "encoder.layer": "blocks", "layer_scale1.lambda1": "ls1.gamma",
        "layer_scale2.lambda1": "ls2.gamma", "embeddings.register_tokens": "reg_token",
        "embeddings.mask_token": "mask_token",
    }  # fmt: skip
    found = {}
    for key in state:
        parts = [key.replace("q_proj", f"{each}_proj") for each in "qkv"] if "q_proj" in key else [key]
        name = key
        for old, new in names.items():
            name = name.replace(old, new)
        if "k_proj" not in key and "v_proj" not in key:
            found[name] = torch.cat([state[part] for part in parts])
    return found
