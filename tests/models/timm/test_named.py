"""Tests of the named models of timm against timm's own tables, without building large networks."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import deit, eva, get_pretrained_cfg, vision_transformer

from teachmatters import registry
from teachmatters.api import SUPERVISIONS, ModelRequest, ModelSpec
from teachmatters.models.networks import hollow
from teachmatters.models.recipes import shown
from teachmatters.models.sources import open_untrained
from teachmatters.models.timm.families import FAMILIES
from teachmatters.models.timm.named import NAMED, TimmNamed, timm_specs
from teachmatters.models.timm.tags import supervision_of
from teachmatters.models.timm.vit import TimmViT
from teachmatters.models.timm_ids import resolve
from teachmatters.models.weights.positions import resample

SPECS = {spec.name: spec for spec in timm_specs()}
PUBLISHED = set(timm.list_models(pretrained=True))


@pytest.mark.parametrize("model", NAMED.values(), ids=lambda model: model.name)
def test_an_entry_agrees_with_timm(model: TimmNamed) -> None:
    config: Any = get_pretrained_cfg(model.timm_id)
    spec = SPECS[model.name]
    assert model.timm_id in PUBLISHED
    assert spec.licence == config.license
    assert spec.source == shown(config.hf_hub_id or config.url)
    assert spec.supervision == supervision_of(model.timm_id)
    assert spec.supervision in SUPERVISIONS
    native = config.input_size[-1]
    assert spec.image_size == (224 if model.family.name == "dinov2" else native)
    quick = any("QuickGELU" in note for note in config.notes or ())
    assert ("quickgelu" in model.timm_id) == quick, "the activation that the weights were trained with"


class Asked(Exception):
    """What timm was about to build."""


@pytest.fixture
def nothing_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(cls: type, variant: str, pretrained: bool = False, **given: Any) -> None:
        usual = {name: each.default for name, each in inspect.signature(cls).parameters.items()}
        raise Asked(usual | given)

    for module in (vision_transformer, eva, deit):
        monkeypatch.setattr(module, "build_model_with_cfg", stop)


@pytest.mark.usefixtures("nothing_built")
@pytest.mark.parametrize("name", NAMED)
def test_its_shape_is_that_of_timms_network(name: str) -> None:
    spec = SPECS[name]
    with pytest.raises(Asked) as caught:
        timm.create_model(NAMED[name].timm_id.partition(".")[0])
    asked: dict[str, Any] = caught.value.args[0]
    assert (spec.depth, spec.heads, spec.patch_size) == (asked["depth"], asked["num_heads"], asked["patch_size"])


TABLE = {
    "dinov2": "s14 b14 l14 g14 s14-reg b14-reg l14-reg g14-reg",
    "dinov3": "s16 s16plus b16 l16 h16plus 7b16 l16-sat 7b16-sat",
    "siglip": "b16 l16-256 so400m14",
    "siglip2": "b16 b32-256 l16-256 so400m14",
    "openclip": "b16 b32 l14",
    "metaclip": "b16 b32 l14",
    "dfn": "b16 l14",
    "pe-core": "t16 s16 b16 l14 g14",
    "pe-spatial": "t16 s16 b16 l14 g14",
    "tips2": "b14 l14 so400m14 g14",
    "deit": "ti16 s16 b16",
    "deit3": "s16 b16 l16 h14",
    "eva02": "ti14 s14 b14 l14",
    "ijepa": "h14 h16-448 g16",
    "aimv2": "l14 h14 1b14 3b14",
    "cradio3": "b16 l16 h16 g16",
    "cradio4": "so400m16 h16",
}
ALONE = {"tips2": "b14", "eva02": "b14", "dinov2": "b14", "ijepa": "h14", "aimv2": "l14", "cradio4": "so400m16"}


def test_the_table_is_complete_and_a_family_name_means_its_b() -> None:
    assert {family.name: " ".join(family.members) for family in FAMILIES} == TABLE
    assert {alias: spec.name for spec in SPECS.values() for alias in spec.aliases} == {
        family: f"{family}-{ALONE.get(family, 'b16')}" for family in TABLE
    }


@pytest.mark.parametrize("name", ["dinov2-s14", "dfn-l14", "eva02-ti14", "aimv2-l14", "cradio4-h16", "ijepa-h14"])
def test_timms_own_name_has_the_same_supervision_and_licence(name: str) -> None:
    spec, own = SPECS[name], resolve(f"timm/{NAMED[name].timm_id}")
    assert (own.supervision, own.licence) == (spec.supervision, spec.licence)


def promised(spec: ModelSpec) -> tuple[object, ...]:
    return spec.arch, spec.patch_size, spec.depth, spec.heads


def test_a_dinov2_of_518_is_resampled_to_224_as_its_authors_do(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict()
    torch.save(state, tmp_path / "dinov2.pth")
    opened = {}
    for name in ("dinov2-s14", "timm/vit_small_patch14_dinov2.lvd142m@224"):
        spec = registry.load().model(name)
        opened[name] = registry.call(spec.factory, ModelRequest(spec=spec, weights=tmp_path / "dinov2.pth"))
    named, own = opened.values()
    assert named.weights == own.weights
    model = named.build()
    assert (model.info.grid, model.info.tokens) == ((16, 16), 257)
    assert torch.equal(model.network.pos_embed, resample(state["pos_embed"], (16, 16), 1, authors=True))


def test_its_speed_can_be_measured_without_weights() -> None:
    untrained = open_untrained("deit-ti16@32x48")
    assert untrained is not None
    info = untrained.build().info
    assert (info.arch, info.input_size, info.depth) == ("ViT-Ti/16", (32, 48), 12)


def test_the_largest_streams_its_taps_without_numbers() -> None:
    name = "dinov3-7b16"
    model = TimmViT(hollow(NAMED[name].timm_id.partition(".")[0], {}), name, SPECS[name].arch)
    info = model.info
    assert (info.arch, info.patch_size, info.depth, info.heads) == promised(SPECS[name])
    model.to(torch.device("meta"), torch.float32)
    shapes: dict[int, Any] = {}
    pixels = torch.empty(1, 3, *info.input_size, device="meta")
    model.stream(pixels, frozenset({"attention"}), lambda layer, _, value: shapes.update({layer: value.shape}))
    assert list(shapes) == list(range(1, info.depth + 1))
    assert set(shapes.values()) == {(1, info.heads, info.tokens, info.tokens)}
