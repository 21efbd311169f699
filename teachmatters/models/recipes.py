"""How each named model is made: architecture, where its weights come from, and in which layouts. A plain table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Layout: TypeAlias = Literal["timm", "dino", "mae"]
"""The layout of an official file; ``timm`` is any state dict in timm's own naming."""

RGB: TypeAlias = tuple[float, float, float]

IMAGENET: tuple[RGB, RGB] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[RGB, RGB] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True)
class Shape:
    """What a size letter stands for: blocks, attention heads, and timm's word for it."""

    depth: int
    heads: int
    word: str


SHAPES = {
    "s": Shape(12, 6, "small"),
    "b": Shape(12, 12, "base"),
    "l": Shape(24, 16, "large"),
    "h": Shape(32, 16, "huge"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one model is made.

    Attributes:
        name: ``dino-s16``.
        size, patch: ``s``, 16.
        architecture: timm's name of the network.
        repository: Hugging Face repository with its weights, ``timm/<id>``.
        address: of the official file, where there is no such repository.
        layout: of the official file.
        colours: mean and deviation of the three channels that it was trained with.
        kwargs: what else timm must be told to build it.
    """

    name: str
    size: str
    patch: int
    architecture: str
    repository: str = ""
    address: str = ""
    layout: Layout = "timm"
    colours: tuple[RGB, RGB] = HALF
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arch(self) -> str:
        """``ViT-S/16``."""
        return f"ViT-{self.size.upper()}/{self.patch}"


def _named(family: str, member: str, *, tag: str = "", **facts: Any) -> Recipe:
    size, patch = member[0], int(member[1:])
    architecture = f"vit_{SHAPES[size].word}_patch{patch}_224"
    repository = f"timm/{architecture}.{tag}" if tag else ""
    return Recipe(
        name=f"{family}-{member}", size=size, patch=patch, architecture=architecture, repository=repository, **facts
    )


DINO_S8 = "https://dl.fbaipublicfiles.com/dino/dino_deitsmall8_300ep_pretrain/dino_deitsmall8_300ep_pretrain.pth"

RANDOM = [_named("random", m) for m in ("s8", "s16", "s32", "b8", "b16", "b32", "l14", "l16", "l32", "h14")]
DINO = [
    _named("dino", "s16", tag="dino", layout="dino", colours=IMAGENET),
    # timm's S/8 is another file than the one the paper measured
    _named("dino", "s8", address=DINO_S8, layout="dino", colours=IMAGENET),
    _named("dino", "b16", tag="dino", layout="dino", colours=IMAGENET),
    _named("dino", "b8", tag="dino", layout="dino", colours=IMAGENET),
]
MAE = [_named("mae", m, tag="mae", layout="mae", colours=IMAGENET) for m in ("b16", "l16", "h14")]

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*DINO, *MAE, *RANDOM)}
