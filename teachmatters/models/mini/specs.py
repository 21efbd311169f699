"""The specs of the mini models."""

from __future__ import annotations

from teachmatters.api import ModelInfo, ModelSpec

PREFIX = "mini-"

# timm's name of the plain network whose shape SHAPE changes.
ARCHITECTURE = "vit_tiny_patch16_224"

# Further arguments for timm. Its default initialisation suits networks eight times as wide; that of the first vision
# transformers, which MoCo-v3 and MAE kept, scales with the width.
SHAPE = {"img_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 12, "num_heads": 6, "weight_init": "jax"}

# Base of the sine and cosine positions; with 20, every frequency varies on an 8 x 8 grid.
POSITION_BASE = 20

INFO = ModelInfo(
    arch="ViT-mini/8",
    depth=12,
    heads=6,
    width=96,
    patch_size=8,
    image_size=64,
    grid=(8, 8),
    class_token=True,
    registers=0,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    mlp_width=384,
    last_norm="tokens",
)

# Supervision by method of 'tm train --method'.
SUPERVISIONS = {
    "supervised": "labels",
    "clip": "image-text contrast",
    "dino": "self-distillation",
    "moco": "contrast",
    "mae": "masked reconstruction",
    "beit": "masked token prediction",
}


def mini_specs() -> list[ModelSpec]:
    """Return the specs of the six trained models and the untrained one.

    >>> [spec.name for spec in mini_specs()][:2]
    ['mini-supervised', 'mini-clip']
    """
    trained = [
        _spec(method, supervision, "part of the package, made with 'tm train'", "MIT")
        for method, supervision in SUPERVISIONS.items()
    ]
    return [*trained, _spec("random", "none", "timm's initialisation from --seed", "none needed")]


def _spec(method: str, supervision: str, source: str, licence: str) -> ModelSpec:
    title = "untrained, seeded" if method == "random" else f"{method}, trained on 'scenes',"
    return ModelSpec(
        name=PREFIX + method,
        family=PREFIX + method,
        supervision=supervision,
        summary=f"{title} {INFO.arch} at {INFO.image_size}",
        factory="teachmatters.models.mini.sources:open_mini",
        arch=INFO.arch,
        patch_size=INFO.patch_size,
        image_size=INFO.image_size,
        depth=INFO.depth,
        heads=INFO.heads,
        licence=licence,
        source=source,
        resizable=True,
        citation="Dosovitskiy et al., An Image Is Worth 16x16 Words, ICLR 2021",
    )
