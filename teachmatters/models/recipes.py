"""A table of the named models: architecture and origin of the weights."""

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
    """The shape that a size letter means: blocks, attention heads, channels, and timm's word for it."""

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
    """The recipe for one model.

    Attributes:
        name: ``dino-s16``.
        family: ``dino``.
        size, patch, pixels: ``s``, 16, 224.
        architecture: timm's name of the network.
        origins: the origins of the weights, best first: Hugging Face repositories (``timm/<id>``) and https addresses;
            empty for an untrained model.
        mean_std: mean and standard deviation of the three channels during training.
        kwargs: further arguments for timm.
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
        """Return the architecture, such as ``ViT-S/16``."""
        return f"ViT-{self.size.upper()}/{self.patch}"

    @property
    def heads(self) -> int:
        """Return the attention heads of a block: those of the size, unless the family differs."""
        return int(self.kwargs.get("num_heads", SHAPES[self.size].heads))


def _made(family: str, member: str, *, trained: str = "", **facts: Any) -> Recipe:
    """Make a recipe from ``b16`` or ``b16-384``; ``trained`` is the tag of timm's weights on the hub."""
    short, _, pixels = member.partition("-")
    size, patch = short[0], int(short[1:])
    facts.setdefault("architecture", f"vit_{SHAPES[size].word}_patch{patch}_{pixels or 224}")
    if trained:
        facts["origins"] = (f"timm/{facts['architecture']}.{trained}", *facts.get("origins", ()))
    name = f"{family}-{member}"
    return Recipe(name=name, family=family, size=size, patch=patch, pixels=int(pixels or 224), **facts)


def shown(place: str) -> str:
    """Return an origin of weights as messages and lists show it: an address, or the page on the hub.

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
    # Both sizes have 12 heads: with timm's 6, the small one loads without an error and computes wrong numbers.
    return _made("moco", member, origins=(official,), mean_std=IMAGENET, kwargs={"num_heads": 12})


def _beit(member: str) -> Recipe:
    word = SHAPES[member[0]].word
    # Every BEiT of timm is fine-tuned with labels; these two files are the self-supervised weights.
    origins = (
        f"https://github.com/addf400/files/releases/download/v1.0/beit_{word}_patch16_224_pt22k.pth",
        f"microsoft/beit-{word}-patch16-224-pt22k",
    )
    architecture = f"beit_{word}_patch16_224"
    return _made("beit", member, architecture=architecture, origins=origins, kwargs={"global_pool": "token"})


def _clip(member: str) -> Recipe:
    short, _, pixels = member.partition("-")
    name = f"vit_{SHAPES[short[0]].word}_patch{short[1:]}_clip"
    # timm publishes the weights under the plain name, whose network has GELU, but CLIP was trained with QuickGELU.
    origins = (f"timm/{name}_{pixels or 224}.openai",)
    architecture = f"{name}_quickgelu_{pixels or 224}"
    return _made("clip", member, architecture=architecture, origins=origins, mean_std=CLIP_MEAN_STD)


# Always named: without a tag, timm loads other weights for B/16 and B/8.
AUGREG = "augreg_in21k_ft_in1k"

SUPERVISED = [
    *(_made("supervised", m, trained=AUGREG) for m in ("s32", "s16", "b32", "b16", "b8", "l16")),
    *(_made("supervised", m, trained=AUGREG) for m in ("b32-384", "b16-384", "l16-384")),
    _made("supervised", "l32-384", trained="orig_in21k_ft_in1k"),
]
CLIP = [_clip(m) for m in ("b32", "b16", "l14", "l14-336")]
DINO = [
    _dino("s16", "dino_deitsmall16_pretrain"),
    # timm's S/8 is not the file that the paper measured.
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
