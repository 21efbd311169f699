"""The models that come with teachmatters, as cheap specs."""

from __future__ import annotations

from dataclasses import dataclass

from teachmatters.api import ModelSpec
from teachmatters.hookspecs import hookimpl
from teachmatters.models.recipes import DINO, MAE, RANDOM, SHAPES, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the members of a family have in common.

    Attributes:
        name: ``dino``; alone it means the family's B/16.
        supervision: how its members were trained.
        title: begins each member's summary.
        factory: ``module:callable`` of its members.
        licence, citation: of the weights.
        recipes: its members.
    """

    name: str
    supervision: str
    title: str
    licence: str
    citation: str
    recipes: list[Recipe]
    factory: str = "teachmatters.models.sources:open_named"


FAMILIES = [
    Family(
        name="dino",
        supervision="self-distillation",
        title="DINO",
        licence="Apache-2.0",
        citation="Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021",
        recipes=DINO,
    ),
    Family(
        name="mae",
        supervision="masked reconstruction",
        title="MAE",
        licence="CC-BY-NC-4.0",
        citation="He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022",
        recipes=MAE,
    ),
    Family(
        name="random",
        supervision="none",
        title="untrained, seeded",
        licence="none needed",
        citation="Dosovitskiy et al., An Image Is Worth 16x16 Words, ICLR 2021",
        recipes=RANDOM,
        factory="teachmatters.models.sources:open_random",
    ),
]


@hookimpl
def register_models() -> list[ModelSpec]:
    """Every named model, and the prefix ``timm/``."""
    prefix = ModelSpec(
        name="timm/",
        family="timm-vit",
        supervision="",
        summary="any vision transformer of timm by its id, such as timm/vit_small_patch16_224.dino",
        resolve="teachmatters.models.timm_ids:resolve",
        arch="as its id says",
        licence="as its model card says",
        source="huggingface.co/timm",
        citation="Wightman, PyTorch Image Models, 2019",
    )
    return [_spec(family, recipe) for family in FAMILIES for recipe in family.recipes] + [prefix]


def _spec(family: Family, recipe: Recipe) -> ModelSpec:
    shape = SHAPES[recipe.size]
    return ModelSpec(
        name=recipe.name,
        family=family.name,
        supervision=family.supervision,
        summary=f"{family.title} {recipe.arch}",
        factory=family.factory,
        aliases=(family.name,) if recipe.name == f"{family.name}-b16" else (),
        arch=recipe.arch,
        patch_size=recipe.patch,
        image_size=224,
        depth=shape.depth,
        heads=shape.heads,
        licence=family.licence,
        source=_source(recipe),
        citation=family.citation,
    )


def _source(recipe: Recipe) -> str:
    if recipe.repository:
        return f"huggingface.co/{recipe.repository}"
    return recipe.address or f"timm's seeded initialisation of {recipe.architecture}"
