"""The supported networks: transformers' names of their parts, and their supervision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from teachmatters.errors import TeachMattersError

# Mean and standard deviation of the three channels, for values in 0..1.
MeanStd: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]

HALF: MeanStd = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET: MeanStd = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPENAI: MeanStd = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of vision transformer in transformers.

    Attributes:
        name: the group in reports.
        tower: transformers' class of the network.
        options: arguments of that class that leave out modules after the last block.
        settings: replacements for values of the config.
        norms: the two norms of a block.
        attention: its attention.
        branches: the modules whose outputs are added to the skip; a module called twice is named twice.
        mean_std: mean and std of images if there is no image processor's config.
        trained: the supervision by the class in the config; classes that do not determine it are absent.
        asks: True if interpolation of positions must be requested for images of another size.
        shuffles: True if it shuffles its patches unless their order is given.
        flattens: True if it takes images cut into patches, with a mask and the grid.
        offset: True if positions are resampled with the offset of DINOv2's authors, which transformers has dropped.
        fixed: True if it only takes images of its native size.
        pools_norm: True if its last norm may belong to the pooling layer.
    """

    name: str
    tower: str
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    norms: tuple[str, str] = ("layernorm_before", "layernorm_after")
    attention: str = "attention"
    branches: tuple[str, str] = ("dropout", "dropout")
    mean_std: MeanStd = HALF
    trained: Mapping[str, str] = field(default_factory=dict)
    asks: bool = False
    shuffles: bool = False
    flattens: bool = False
    offset: bool = False
    fixed: bool = False
    pools_norm: bool = False


def _dinov2(tower: str) -> Family:
    prefix = tower.removesuffix("Model")
    return Family(
        name="hf-dinov2",
        tower=tower,
        norms=("norm1", "norm2"),
        branches=("drop_path", "drop_path"),
        mean_std=IMAGENET,
        trained=dict.fromkeys((tower, f"{prefix}Backbone"), "self-distillation"),
        offset=tower == "Dinov2Model",
    )


def _contrastive(name: str, prefix: str, mean_std: MeanStd, *, flattens: bool = False) -> Family:
    own = [f"{prefix}{what}" for what in ("Model", "VisionModel", "VisionModelWithProjection")]
    return Family(
        name=name,
        tower=f"{prefix}VisionModel",
        norms=("layer_norm1", "layer_norm2"),
        attention="self_attn",
        branches=("self_attn", "mlp"),
        mean_std=mean_std,
        trained=dict.fromkeys(own, "image-text contrast"),
        asks=not flattens,
        flattens=flattens,
    )


def _like_vit(name: str, tower: str, trained: Mapping[str, str], *, pools: bool = True) -> Family:
    return Family(
        name=name,
        tower=tower,
        options={"add_pooling_layer": False} if pools else {},
        mean_std=IMAGENET,
        trained=trained,
        asks=True,
    )


VIT = Family(
    name="hf-vit",
    tower="ViTModel",
    options={"add_pooling_layer": False},
    trained={"ViTForImageClassification": "labels", "ViTForMaskedImageModeling": "masked reconstruction"},
    asks=True,
)
BEIT = Family(
    name="hf-beit",
    tower="BeitModel",
    options={"add_pooling_layer": False},
    branches=("drop_path", "drop_path"),
    trained={"BeitForMaskedImageModeling": "masked token prediction"},
    pools_norm=True,
)
MAE = Family(
    name="hf-mae",
    tower="ViTMAEModel",
    settings={"mask_ratio": 0.0},
    mean_std=IMAGENET,
    trained=dict.fromkeys(("ViTMAEModel", "ViTMAEForPreTraining"), "masked reconstruction"),
    asks=True,
    shuffles=True,
)
CLIP = _contrastive("hf-clip", "CLIP", OPENAI)
SIGLIP = _contrastive("hf-siglip", "Siglip", HALF)
SIGLIP2 = _contrastive("hf-siglip2", "Siglip2", HALF, flattens=True)
DINOV3 = Family(
    name="hf-dinov3",
    tower="DINOv3ViTModel",
    norms=("norm1", "norm2"),
    branches=("drop_path", "drop_path"),
    mean_std=IMAGENET,
    trained=dict.fromkeys(("DINOv3ViTModel", "DINOv3ViTBackbone"), "self-distillation"),
)
IJEPA = _like_vit("hf-ijepa", "IJepaModel", {"IJepaModel": "latent prediction"})
DEIT = _like_vit(
    "hf-deit",
    "DeiTModel",
    dict.fromkeys(("DeiTForImageClassification", "DeiTForImageClassificationWithTeacher"), "labels"),
)
MSN = _like_vit("hf-msn", "ViTMSNModel", {"ViTMSNModel": "self-distillation"}, pools=False)
AIMV2 = Family(
    name="hf-aimv2",
    tower="Aimv2VisionModel",
    norms=("rms_norm1", "rms_norm2"),
    branches=("attention", "ffn"),
    mean_std=OPENAI,
    trained={"Aimv2VisionModel": "autoregression"},
    fixed=True,
)
DATA2VEC = Family(
    name="hf-data2vec",
    tower="Data2VecVisionModel",
    options={"add_pooling_layer": False},
    branches=("drop_path", "drop_path"),
    trained={"Data2VecVisionModel": "latent prediction"},
    asks=True,
    pools_norm=True,
)

# Families by the config's ``model_type``.
FAMILIES = {
    "vit": VIT,
    "dinov2": _dinov2("Dinov2Model"),
    "dinov2_with_registers": _dinov2("Dinov2WithRegistersModel"),
    "beit": BEIT,
    "clip": CLIP,
    "clip_vision_model": CLIP,
    "siglip": SIGLIP,
    "siglip_vision_model": SIGLIP,
    "siglip2": SIGLIP2,
    "siglip2_vision_model": SIGLIP2,
    "vit_mae": MAE,
    "dinov3_vit": DINOV3,
    "ijepa": IJEPA,
    "aimv2": AIMV2,
    "aimv2_vision_model": AIMV2,
    "vit_msn": MSN,
    "deit": DEIT,
    "data2vec-vision": DATA2VEC,
}


def family_of(config: Mapping[str, Any], name: str) -> Family:
    """Return the family of a config.

    Raises:
        TeachMattersError: the model is of another kind; the message lists the supported ones.

    >>> family_of({"model_type": "vit_mae"}, "hf/mine").tower
    'ViTMAEModel'
    """
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in FAMILIES:
        return FAMILIES[kind]
    what = f"is a {kind!r}" if kind else "has no model_type in config.json"
    raise TeachMattersError(
        f"{name} {what}; supported models of transformers are {', '.join(FAMILIES)}. 'tm models' lists others, "
        "and timm/<id> may have it"
    )


def tower_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config for the vision tower: the ``vision_config`` of CLIP and SigLIP.

    >>> tower_config({"model_type": "clip", "vision_config": {"patch_size": 32}})
    {'patch_size': 32}
    """
    nested = config.get("vision_config")
    return dict(nested if isinstance(nested, Mapping) else config)
