from __future__ import annotations

from pathlib import Path

import pytest
import torch

from teachmatters.api import ModelRequest
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.models import timm_ids
from teachmatters.models.fetch import hub
from teachmatters.models.timm.vit import TimmViT
from teachmatters.models.timm_ids import open_timm, resolve
from teachmatters.runner.forward.preflight import preflight_check
from tests.models import official
from tests.models.conftest import Checkpoints

MAE_PLACES = (
    "huggingface.co/timm/vit_base_patch16_224.mae or "
    "https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth"
)


def test_a_spec_agrees_with_timm() -> None:
    spec = resolve("timm/vit_base_patch16_224.mae")
    assert (spec.name, spec.arch, spec.patch_size, spec.image_size) == (
        "timm/vit_base_patch16_224.mae",
        "ViT-B/16",
        16,
        224,
    )
    assert (spec.licence, spec.source) == ("cc-by-nc-4.0", MAE_PLACES)


def test_an_unknown_id_gets_did_you_mean() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'timm/vit_small_patch16_224\.dino'"):
        resolve("timm/vit_small_patch16_224.dinno")


def test_other_networks_are_refused_before_any_download() -> None:
    with pytest.raises(TeachMattersError, match=r"timm/resnet50 is not a vision transformer"):
        resolve("timm/resnet50")


def test_a_file_is_loaded_with_the_mean_and_std_of_the_id(dino_s16: Path) -> None:
    for name, mean in (("timm/vit_small_patch16_224.dino", 0.485), ("timm/vit_small_patch16_224.augreg_in21k", 0.5)):
        info = open_timm(ModelRequest(spec=resolve(name), weights=dino_s16)).build().info
        assert (info.arch, info.mean[0]) == ("ViT-S/16", mean)


def test_windowed_attention_is_refused() -> None:
    with pytest.raises(TeachMattersError, match="timm/samvit_base_patch16 is not a plain vision transformer"):
        resolve("timm/samvit_base_patch16")


def test_a_file_of_another_size_or_of_clip_is_named(dino_s16: Path, checkpoint: Checkpoints) -> None:
    base = resolve("timm/vit_base_patch16_224")
    with pytest.raises(TeachMattersError, match=r"a ViT-S/16 in timm's names, and timm/vit_base_patch16_224 is a Vi"):
        open_timm(ModelRequest(spec=base, weights=dino_s16)).build()
    with pytest.raises(TeachMattersError, match=r"lacks patch_embed.proj.bias; .* timm/vit_base_patch16_clip_224"):
        open_timm(ModelRequest(spec=base, weights=checkpoint("clip-b16"))).build()


def test_a_file_of_another_patch_size_is_refused_and_not_resampled(dino_s16: Path) -> None:
    spec = resolve("timm/vit_small_patch8_224.dino")
    kernel = r"patch_embed.proj.weight is \(384, 3, 16, 16\) instead of \(384, 3, 8, 8\)"
    with pytest.raises(TeachMattersError, match=rf"a ViT-S/16 .* is a ViT-S/8: {kernel}.*timm/vit_small_patch16"):
        open_timm(ModelRequest(spec=spec, weights=dino_s16))


def test_an_id_without_published_weights_needs_a_file() -> None:
    with pytest.raises(TeachMattersError, match="publishes no weights"):
        open_timm(ModelRequest(spec=resolve("timm/vit_base_patch16_xp_224")))


def test_a_published_file_in_its_authors_layout_is_converted(
    tmp_path: Path, dino_s16: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(dino_s16, weights_only=True)
    torch.save({f"visual.trunk.{key}": value for key, value in state.items()}, tmp_path / "w.bin")
    monkeypatch.setattr(hub, "find", lambda *_: (tmp_path / "w.bin", "0" * 64))
    spec = resolve("timm/vit_small_patch16_224.dino")
    model = open_timm(ModelRequest(spec=spec)).build()
    assert isinstance(model, TimmViT)
    assert all(torch.equal(value, state[key]) for key, value in model.network.state_dict().items())
    own = open_timm(ModelRequest(spec=spec, weights=tmp_path / "w.bin"))
    assert own.weights == open_timm(ModelRequest(spec=spec, weights=dino_s16)).weights


def test_a_published_file_in_two_networks_is_two_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "find", lambda *_: (Path(), "0" * 64))
    published = {
        "clip_quickgelu_224.openai": True,
        "clip_224.openai": False,
        "clip_224.laion2b": True,  # which timm has with GELU alone
    }
    for name, own in published.items():
        source = open_timm(ModelRequest(spec=resolve(f"timm/vit_base_patch32_{name}")))
        assert (source.weights == "0" * 64) == own


def test_an_encoder_in_a_submodule_is_converted_by_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I-JEPA's files lie nowhere but with its authors."""
    spec = resolve("timm/vit_huge_patch14_gap_224.in1k_ijepa")
    assert spec.source.startswith("https://dl.fbaipublicfiles.com/ijepa/")
    plain = official.state("vit_huge_patch14_gap_224", patch_size=16)
    state = {f"module.{key.replace('fc_norm', 'norm')}": value for key, value in plain.items()}
    torch.save({"encoder": state, "target_encoder": state, "epoch": 300}, tmp_path / "ijepa.pth.tar")
    monkeypatch.setattr(hub, "find", lambda *_: (tmp_path / "ijepa.pth.tar", "0" * 64))
    for made in ("create", "hollow"):
        monkeypatch.setattr(timm_ids, made, lambda *_: official.network("vit_huge_patch14_gap_224", 1, patch_size=16))
    model = open_timm(ModelRequest(spec=spec)).build()
    assert isinstance(model, TimmViT)
    assert all(torch.equal(value, plain[key]) for key, value in model.network.state_dict().items())


def test_a_fitting_file_of_another_variant_is_read_with_a_remark(checkpoint: Checkpoints) -> None:
    """MoCo's small file fits timm's small network, and has half as many heads there as it was trained with."""
    spec = resolve("timm/vit_small_patch16_224.dino")
    (remark,) = open_timm(ModelRequest(spec=spec, weights=checkpoint("moco-s16"))).remarks[-1:]
    assert "trains with 12 heads, and this network has 6: numbers differ; use --model moco-s16" in remark


def test_a_file_for_a_named_model_gets_its_name(checkpoint: Checkpoints) -> None:
    spec = resolve("timm/vit_small_patch16_224.dino")
    with pytest.raises(TeachMattersError, match=r"use --model beit-b16 with the same --weights"):
        open_timm(ModelRequest(spec=spec, weights=checkpoint("beit-b16")))


@pytest.mark.parametrize(
    ("size", "grid", "image_size"), [("@32", (2, 2), 32), ("@96x64", (6, 4), 64), ("@64x96", (4, 6), 64)]
)
def test_another_size_resamples_the_positions(
    size: str, grid: tuple[int, int], image_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timm_ids, "create", lambda _, kwargs: official.network(**kwargs))
    monkeypatch.setattr(timm_ids, "hollow", lambda *_: official.network())
    torch.save(official.state(), tmp_path / "w.pth")
    spec = resolve(f"timm/vit_base_patch16_224.dino{size}")
    assert spec.image_size == image_size
    model = open_timm(ModelRequest(spec=spec, weights=tmp_path / "w.pth")).build()
    assert (model.info.grid, model.info.image_size) == (grid, image_size)
    preflight_check(model, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("size", ["@", "@0", "@12x", "@big", "@-3", "@99999", "@32x0"])
def test_an_invalid_size_is_refused(size: str) -> None:
    with pytest.raises(TeachMattersError, match="is not a size; write @384"):
        resolve(f"timm/vit_base_patch16_224.dino{size}")
