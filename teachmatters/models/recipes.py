"""How each named model is made: architecture, and where its weights come from. A plain table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

RGB: TypeAlias = tuple[float, float, float]

IMAGENET: tuple[RGB, RGB] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[RGB, RGB] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP_MEAN_STD: tuple[RGB, RGB] = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True, slots=True)
class Shape:
    """What a size letter stands for: blocks, attention heads, channels, and timm's word for it."""

    depth: int
    heads: int
    width: int
    word: str


SHAPES = {
    "s": Shape(12, 6, 384, "small"),
    "b": Shape(12, 12, 768, "base"),
    "l": Shape(24, 16, 1024, "large"),
    "h": Shape(32, 16, 1280, "huge"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one model is made.

    Attributes:
        name: ``dino-s16``.
        family: ``dino``.
        size, patch, pixels: ``s``, 16, 224.
        architecture: timm's name of the network.
        origins: where its weights are, best first: Hugging Face repositories (``timm/<id>``) and https addresses; none
            for an untrained one.
        mean_std: mean and deviation of the three channels that it was trained with.
        kwargs: what else timm must be told to build it.
    """

    name: str
    family: str
    size: str
    patch: int
    pixels: int = 224
    architecture: str
    origins: tuple[str, ...] = ()
    mean_std: tuple[RGB, RGB] = HALF
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arch(self) -> str:
        """``ViT-S/16``."""
        return f"ViT-{self.size.upper()}/{self.patch}"

    @property
    def heads(self) -> int:
        """Attention heads of a block: the size's, unless the family has its own."""
        return int(self.kwargs.get("num_heads", SHAPES[self.size].heads))


def _made(family: str, member: str, *, trained: str = "", **facts: Any) -> Recipe:
    """A recipe from ``b16`` or ``b16-384``; ``trained`` is the tag under which timm has its weights on the hub."""
    short, _, pixels = member.partition("-")
    size, patch = short[0], int(short[1:])
    facts.setdefault("architecture", f"vit_{SHAPES[size].word}_patch{patch}_{pixels or 224}")
    if trained:
        facts["origins"] = (f"timm/{facts['architecture']}.{trained}", *facts.get("origins", ()))
    name = f"{family}-{member}"
    return Recipe(name=name, family=family, size=size, patch=patch, pixels=int(pixels or 224), **facts)


def shown(place: str) -> str:
    """A place of weights as messages and lists name it: an address, or the hub's page.

    >>> shown("timm/vit_small_patch16_224.dino")
    'huggingface.co/timm/vit_small_patch16_224.dino'
    """
    return place if "://" in place else f"huggingface.co/{place}"


PUBLIC = "https://dl.fbaipublicfiles.com"


def _dino(member: str, file: str, *, trained: str = "dino") -> Recipe:
    official = f"{PUBLIC}/dino/{file}/{file}.pth"
    return _made("dino", member, trained=trained, origins=(official,), mean_std=IMAGENET)


def _mae(member: str) -> Recipe:
    official = f"{PUBLIC}/mae/pretrain/mae_pretrain_vit_{SHAPES[member[0]].word}.pth"
    return _made("mae", member, trained="mae", origins=(official,), mean_std=IMAGENET)


def _moco(member: str) -> Recipe:
    file = f"vit-{member[0]}-300ep"
    official = f"{PUBLIC}/moco-v3/{file}/{file}.pth.tar"
    # both sizes have 12 heads: with timm's 6 the small one loads without a word and is wrong
    return _made("moco", member, origins=(official,), mean_std=IMAGENET, kwargs={"num_heads": 12})


def _beit(member: str) -> Recipe:
    word = SHAPES[member[0]].word
    # every BEiT of timm is fine-tuned with labels; these two are the self-supervised weights alone
    origins = (
        f"https://github.com/addf400/files/releases/download/v1.0/beit_{word}_patch16_224_pt22k.pth",
        f"microsoft/beit-{word}-patch16-224-pt22k",
    )
    architecture = f"beit_{word}_patch16_224"
    return _made("beit", member, architecture=architecture, origins=origins, kwargs={"global_pool": "token"})


def _clip(member: str) -> Recipe:
    short, _, pixels = member.partition("-")
    name = f"vit_{SHAPES[short[0]].word}_patch{short[1:]}_clip"
    # the weights lie under the plain name, whose network has GELU where CLIP was trained with QuickGELU
    origins = (f"timm/{name}_{pixels or 224}.openai",)
    architecture = f"{name}_quickgelu_{pixels or 224}"
    return _made("clip", member, architecture=architecture, origins=origins, mean_std=CLIP_MEAN_STD)


AUGREG = "augreg_in21k_ft_in1k"
"""The tag is named always: a bare timm name means other weights for B/16 and B/8."""

SUPERVISED = [
    *(_made("supervised", m, trained=AUGREG) for m in ("s32", "s16", "b32", "b16", "b8", "l16")),
    *(_made("supervised", m, trained=AUGREG) for m in ("b32-384", "b16-384", "l16-384")),
    _made("supervised", "l32-384", trained="orig_in21k_ft_in1k"),
]
CLIP = [_clip(m) for m in ("b32", "b16", "l14", "l14-336")]
DINO = [
    _dino("s16", "dino_deitsmall16_pretrain"),
    # timm's S/8 is another file than the one the paper measured
    _dino("s8", "dino_deitsmall8_300ep_pretrain", trained=""),
    _dino("b16", "dino_vitbase16_pretrain"),
    _dino("b8", "dino_vitbase8_pretrain"),
]
MOCO = [_moco(m) for m in ("s16", "b16")]
MAE = [_mae(m) for m in ("b16", "l16", "h14")]
BEIT = [_beit(m) for m in ("b16", "l16")]
RANDOM = [_made("random", m) for m in ("s8", "s16", "s32", "b8", "b16", "b32", "l14", "l16", "l32", "h14")]
NOISE = [_made("noise", "b16", architecture="")]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*SUPERVISED, *CLIP, *DINO, *MOCO, *MAE, *BEIT, *RANDOM, *NOISE)
}
