from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from teachmatters.api import ModelSpec
from teachmatters.models.recipes import RECIPES
from teachmatters.models.sources import create
from teachmatters.models.specs import register_models
from teachmatters.models.timm_vit import TimmViT

SPECS: list[ModelSpec] = register_models()
NAMED = [spec for spec in SPECS if not spec.resolve]


@pytest.mark.parametrize("spec", NAMED, ids=lambda spec: spec.name)
def test_every_field_is_filled(spec: ModelSpec) -> None:
    empty = {field.name for field in dataclasses.fields(spec) if not getattr(spec, field.name)}
    assert empty <= {"resolve", "aliases"}


def test_names_are_unique_and_a_family_alone_means_its_b16() -> None:
    names = [name for spec in SPECS for name in (spec.name, *spec.aliases)]
    assert len(names) == len(set(names))
    assert {alias: spec.name for spec in SPECS for alias in spec.aliases} == {
        "dino": "dino-b16",
        "mae": "mae-b16",
        "random": "random-b16",
    }


@pytest.mark.parametrize("name", ["dino-s8", "random-s32"])
def test_what_a_spec_promises_is_what_is_built(name: str) -> None:
    spec = next(spec for spec in SPECS if spec.name == name)
    info = TimmViT(create(RECIPES[name].architecture, {}), name).info
    assert (info.arch, info.patch_size, info.image_size, info.depth, info.heads) == (
        spec.arch,
        spec.patch_size,
        spec.image_size,
        spec.depth,
        spec.heads,
    )


def test_timm_knows_every_architecture_and_repository() -> None:
    import timm

    published = set(timm.list_models(pretrained=True))
    for recipe in RECIPES.values():
        assert timm.is_model(recipe.architecture)
        assert not recipe.repository or recipe.repository.removeprefix("timm/") in published


def test_specs_are_cheap() -> None:
    heavy = "{'torch', 'timm', 'numpy', 'pandas', 'sqlalchemy'}"
    code = f"import sys, teachmatters.models.specs as s; s.register_models(); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
