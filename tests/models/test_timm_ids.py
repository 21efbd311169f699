from __future__ import annotations

from pathlib import Path

import pytest
import torch

from teachmatters.api import ModelRequest
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.models import hub
from teachmatters.models.timm_ids import open_timm, resolve
from teachmatters.models.timm_vit import TimmViT


def test_a_spec_says_what_timm_says() -> None:
    spec = resolve("timm/vit_base_patch16_224.mae")
    assert (spec.name, spec.arch, spec.patch_size, spec.image_size) == (
        "timm/vit_base_patch16_224.mae",
        "ViT-B/16",
        16,
        224,
    )
    assert (spec.licence, spec.source) == ("cc-by-nc-4.0", "huggingface.co/timm/vit_base_patch16_224.mae")


def test_an_unknown_id_gets_did_you_mean() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'vit_small_patch16_224\.dino'"):
        resolve("timm/vit_small_patch16_224.dinno")


def test_what_is_no_transformer_is_refused_before_any_download() -> None:
    with pytest.raises(TeachMattersError, match=r"timm/resnet50 is not a vision transformer"):
        resolve("timm/resnet50")


def test_a_file_is_loaded_with_the_colours_of_the_id(dino_s16: Path) -> None:
    for name, mean in (("timm/vit_small_patch16_224.dino", 0.485), ("timm/vit_small_patch16_224.augreg_in21k", 0.5)):
        info = open_timm(ModelRequest(spec=resolve(name), weights=dino_s16)).build().info
        assert (info.arch, info.mean[0]) == ("ViT-S/16", mean)


def test_a_file_of_another_patch_size_is_refused_and_not_resampled(dino_s16: Path) -> None:
    source = open_timm(ModelRequest(spec=resolve("timm/vit_small_patch8_224.dino"), weights=dino_s16))
    with pytest.raises(TeachMattersError, match=r"instead of .*: it is not a ViT-S/8"):
        source.build()


def test_an_id_without_published_weights_needs_a_file() -> None:
    with pytest.raises(TeachMattersError, match="publishes no weights"):
        open_timm(ModelRequest(spec=resolve("timm/vit_base_patch16_xp_224")))


def test_a_published_file_in_its_authors_layout_is_converted(
    tmp_path: Path, dino_s16: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(dino_s16, weights_only=True)
    torch.save({f"visual.trunk.{key}": value for key, value in state.items()}, tmp_path / "w.bin")
    monkeypatch.setattr(hub, "repository_file", lambda *_: tmp_path / "w.bin")
    spec = resolve("timm/vit_small_patch16_224.dino")
    model = open_timm(ModelRequest(spec=spec)).build()
    assert isinstance(model, TimmViT)
    assert all(torch.equal(value, state[key]) for key, value in model.network.state_dict().items())
    with pytest.raises(TeachMattersError, match="lacks cls_token"):
        open_timm(ModelRequest(spec=spec, weights=tmp_path / "w.bin")).build()
