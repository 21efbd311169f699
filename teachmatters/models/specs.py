"""The specs of the models that come with teachmatters."""

from __future__ import annotations

from dataclasses import dataclass

from teachmatters.api import ModelSpec
from teachmatters.hookspecs import hookimpl
from teachmatters.models.mini.specs import mini_specs
from teachmatters.models.recipes import BEIT, CLIP, DINO, MAE, MOCO, NOISE, RANDOM, SHAPES, SUPERVISED, Recipe, shown
from teachmatters.models.timm.named import timm_specs


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The common properties of a family's members.

    Attributes:
        name: ``dino``; alone it means the family's B/16.
        supervision: the supervision of its members.
        title: start of each member's summary.
        factory: ``module:callable`` of its members.
        licence, citation: the licence and citation of the weights.
        recipes: its members.
        alias: another name of the family.
        untrained: the source that members without weights show.
    """

    name: str
    supervision: str
    title: str
    licence: str
    citation: str
    recipes: list[Recipe]
    factory: str = "teachmatters.models.sources:open_named"
    alias: str = ""
    untrained: str = ""


FAMILIES = [
    Family(
        name="supervised",
        supervision="labels",
        title="supervised",
        licence="Apache-2.0",
        citation="Steiner et al., How to Train Your ViT? Data, Augmentation, and Regularization, TMLR 2022",
        recipes=SUPERVISED,
        alias="timm",
    ),
    Family(
        name="clip",
        supervision="image-text contrast",
        title="CLIP",
        licence="MIT",
        citation="Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021",
        recipes=CLIP,
    ),
    Family(
        name="dino",
        supervision="self-distillation",
        title="DINO",
        licence="Apache-2.0",
        citation="Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021",
        recipes=DINO,
    ),
    Family(
        name="moco",
        supervision="contrast",
        title="MoCo-v3",
        licence="CC-BY-NC-4.0",
        citation="Chen et al., An Empirical Study of Training Self-Supervised Vision Transformers, ICCV 2021",
        recipes=MOCO,
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
        name="beit",
        supervision="masked token prediction",
        title="BEiT",
        licence="MIT",
        citation="Bao et al., BEiT: BERT Pre-Training of Image Transformers, ICLR 2022",
        recipes=BEIT,
    ),
    Family(
        name="random",
        supervision="none",
        title="untrained, seeded",
        licence="none needed",
        citation="Dosovitskiy et al., An Image Is Worth 16x16 Words, ICLR 2021",
        recipes=RANDOM,
        factory="teachmatters.models.sources:open_random",
        untrained="timm's initialisation of {0.architecture} from --seed",
    ),
    Family(
        name="noise",
        supervision="none",
        title="chance line, no network: uniform noise in the shape of a",
        licence="none needed",
        citation="Walmer et al., Teaching Matters: Investigating the Role of Supervision in Vision Transformers, "
        "CVPR 2023",
        recipes=NOISE,
        factory="teachmatters.models.noise:open_noise",
        untrained="random numbers seeded by each image and --seed",
    ),
]


@hookimpl
def register_models() -> list[ModelSpec]:
    """Return the specs of all named models, the mini models, and the prefix ``timm/``."""
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
    named = [_spec(family, recipe) for family in FAMILIES for recipe in family.recipes]
    return [*named, *timm_specs(), *mini_specs(), prefix]


def _spec(family: Family, recipe: Recipe) -> ModelSpec:
    pixels = "" if recipe.pixels == 224 else f" at {recipe.pixels}"
    return ModelSpec(
        name=recipe.name,
        family=family.name,
        supervision=family.supervision,
        summary=f"{family.title} {recipe.arch}{pixels}",
        factory=family.factory,
        aliases=_aliases(family, recipe),
        arch=recipe.arch,
        patch_size=recipe.patch,
        image_size=recipe.pixels,
        depth=SHAPES[recipe.size].depth,
        heads=recipe.heads,
        licence=family.licence,
        source=" or ".join(map(shown, recipe.origins)) or family.untrained.format(recipe),
        citation=family.citation,
        resizable=True,
    )


def _aliases(family: Family, recipe: Recipe) -> tuple[str, ...]:
    """Return the aliases: the bare family name for its B/16 at 224, and the family's other name."""
    names = [family.name, family.alias] if family.alias else [family.name]
    alone = names if recipe.name == f"{family.name}-b16" else []
    return (*alone, *(recipe.name.replace(family.name, other, 1) for other in names[1:]))
