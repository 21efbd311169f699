from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
import timm

from teachmatters.api import ModelSpec
from teachmatters.models.networks import hollow
from teachmatters.models.recipes import RECIPES
from teachmatters.models.specs import register_models
from teachmatters.models.timm.named import NAMED as OF_TIMM
from teachmatters.models.timm.vit import TimmViT

SPECS: list[ModelSpec] = register_models()
NAMED = [spec for spec in SPECS if not spec.resolve]


@pytest.mark.parametrize("spec", NAMED, ids=lambda spec: spec.name)
def test_every_field_is_filled(spec: ModelSpec) -> None:
    empty = {field.name for field in dataclasses.fields(spec) if not getattr(spec, field.name)}
    assert empty <= {"resolve", "aliases"}


def test_names_are_unique_and_a_family_name_means_its_b16() -> None:
    names = [name for spec in SPECS for name in (spec.name, *spec.aliases)]
    assert len(names) == len(set(names))
    alone = {
        alias: spec.name for spec in SPECS for alias in spec.aliases if "-" not in alias and spec.name not in OF_TIMM
    }
    families = ["supervised", "clip", "dino", "moco", "mae", "beit", "random", "noise"]
    assert alone == {family: f"{family}-b16" for family in families} | {"timm": "supervised-b16"}


def test_the_supervised_family_answers_to_timm_too() -> None:
    others = {alias: spec.name for spec in SPECS for alias in spec.aliases if alias.startswith("timm-")}
    assert others == {name.replace("supervised", "timm"): name for name in RECIPES if name.startswith("supervised")}
    assert others["timm-l32-384"] == "supervised-l32-384"


PAPER = {
    "supervised": "s32 s16 b32 b16 b8 l16 b32-384 b16-384 l16-384 l32-384",
    "clip": "b32 b16 l14 l14-336",
    "dino": "s16 s8 b16 b8",
    "moco": "s16 b16",
    "mae": "b16 l16 h14",
    "beit": "b16 l16",
}


def test_the_papers_configurations_are_there() -> None:
    expected = {f"{family}-{member}" for family, members in PAPER.items() for member in members.split()}
    assert len(expected) == 25
    assert {name for name, recipe in RECIPES.items() if recipe.origins} == expected
    assert sum(RECIPES[name].size in "sb" for name in expected) == 17  # these share depth 12


def test_every_shape_of_the_paper_has_an_untrained_network() -> None:
    shapes = {(recipe.size, recipe.patch) for recipe in RECIPES.values()}
    assert {f"random-{size}{patch}" for size, patch in shapes} == {n for n in RECIPES if n.startswith("random")}


def test_the_mean_and_std_are_those_of_the_training() -> None:
    first = {recipe.family: recipe.mean_std[0][0] for recipe in RECIPES.values()}
    imagenet = dict.fromkeys(("dino", "mae", "moco"), 0.485)
    half = dict.fromkeys(("supervised", "beit", "random", "noise"), 0.5)
    assert first == imagenet | half | {"clip": 0.48145466}


def test_mean_and_std_agree_with_timm() -> None:
    from timm.models import get_pretrained_cfg

    for recipe in RECIPES.values():
        if recipe.origins and recipe.origins[0].startswith("timm/"):
            config: Any = get_pretrained_cfg(recipe.origins[0].removeprefix("timm/"))
            assert (tuple(config.mean), tuple(config.std)) == recipe.mean_std, recipe.name
            assert config.input_size == (3, recipe.pixels, recipe.pixels)
            assert config.url in ("", *recipe.origins) or recipe.family == "supervised"


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "noise-b16"])
def test_a_network_matches_its_spec(name: str) -> None:
    spec = next(spec for spec in SPECS if spec.name == name)
    info = TimmViT(hollow(RECIPES[name].architecture, RECIPES[name].kwargs), name).info
    assert (info.arch, info.patch_size, info.image_size, info.depth, info.heads) == (
        spec.arch,
        spec.patch_size,
        spec.image_size,
        spec.depth,
        spec.heads,
    )


def test_timm_knows_every_repository_of_its_own() -> None:
    published = set(timm.list_models(pretrained=True))
    for recipe in RECIPES.values():
        for place in recipe.origins:
            assert not place.startswith("timm/") or place.removeprefix("timm/") in published


def test_clip_uses_quick_gelu_with_weights_of_the_plain_name() -> None:
    recipe = RECIPES["clip-l14-336"]
    assert recipe.architecture == "vit_large_patch14_clip_quickgelu_336"
    assert recipe.origins == ("timm/vit_large_patch14_clip_336.openai",)


def test_specs_are_cheap() -> None:
    """Of 'tm models' as well, which looks into the caches."""
    heavy = "{'torch', 'timm', 'numpy', 'pandas', 'sqlalchemy'}"
    code = "import sys, teachmatters.models.specs as s, teachmatters.models.fetch.presence as p; "
    code += f"list(map(p.weights_here, s.register_models())); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
