"""The shape of a network: from its config before it is built, from its parameters afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from teachmatters.api import ModelInfo, check_size
from teachmatters.errors import TeachMattersError
from teachmatters_hf.images import Images

# The usual letter of a plain ViT, by width.
LETTERS = {192: "Ti", 384: "S", 768: "B", 1024: "L", 1280: "H"}


def arch(width: int, patch: int) -> str:
    """Return the usual name of a shape.

    >>> arch(768, 16), arch(1152, 14)
    ('ViT-B/16', 'ViT-1152/14')
    """
    return f"ViT-{LETTERS.get(width, width)}/{patch}"


def expected(config: Mapping[str, Any], images: Images) -> dict[str, Any]:
    """Return the shape in a config as fields of a ModelSpec, without unknown fields.

    >>> from teachmatters_hf.families import IMAGENET
    >>> expected({"hidden_size": 384, "patch_size": 14, "num_hidden_layers": 12}, Images(IMAGENET))
    {'patch_size': 14, 'depth': 12, 'arch': 'ViT-S/14'}
    """
    names = {"patch_size": "patch_size", "image_size": "image_size", "num_hidden_layers": "depth"}
    names |= {"num_attention_heads": "heads", "hidden_size": "width"}
    told = {names[key]: value for key, value in config.items() if key in names and isinstance(value, int) and value > 0}
    width = told.pop("width", 0)
    native = config.get("image_size")
    if isinstance(native, list) and len(set(native)) > 1:  # a rectangle, which keeps its size
        told["image_size"] = min(map(int, native))
    elif images.size is not None:
        told["image_size"] = min(images.size)
    return told | ({"arch": arch(width, told["patch_size"])} if width and "patch_size" in told else {})


def pair(value: Any) -> tuple[int, int]:
    """Return rows and columns, from one number for both or from two.

    >>> pair(224), pair([224, 112])
    ((224, 224), (224, 112))
    """
    rows, columns = (value, value) if isinstance(value, int) else value
    return int(rows), int(columns)


def native_size(config: Any) -> tuple[int, int]:
    """Return the rows and columns of pixels of the images that a network's positions were trained for.

    >>> from types import SimpleNamespace
    >>> native_size(SimpleNamespace(image_size=224)), native_size(SimpleNamespace(num_patches=256, patch_size=16))
    ((224, 224), (256, 256))
    """
    told = getattr(config, "image_size", None)
    return pair(told if told is not None else math.isqrt(config.num_patches) * pair(config.patch_size)[0])


def describe(network: Any, images: Images, name: str, *, fixed: bool = False) -> ModelInfo:
    """Return the shape of a built tower.

    Args:
        network: a tower of transformers.
        images: its input images.
        name: for messages.
        fixed: True if it only takes images of its native size.

    Raises:
        TeachMattersError: the patches are not square, the images have other than three channels, or the name requests
            another size of a network with a fixed one.
    """
    config, embeddings = network.config, network.embeddings
    (patch, other), native = pair(config.patch_size), native_size(config)
    if patch != other or config.num_channels != 3:
        raise TeachMattersError(
            f"{name} has patches of {patch} x {other} pixels of {config.num_channels} channels; square patches of "
            "images in colour are needed"
        )
    # transformers interpolates all positions as a square, so those of a rectangle keep their size
    size = images.size if images.size is not None and native[0] == native[1] and not fixed else native
    if images.asked and size != images.size:
        raise TeachMattersError(f"{name}: this network takes one size only; leave out the '@' and the size")
    if images.asked:
        check_size(name, size, patch)
    registers = getattr(embeddings, "register_tokens", None)
    return ModelInfo(
        arch=arch(config.hidden_size, patch),
        depth=config.num_hidden_layers,
        heads=config.num_attention_heads,
        width=config.hidden_size,
        patch_size=patch,
        image_size=min(size),
        grid=(size[0] // patch, size[1] // patch),
        class_token=any(hasattr(embeddings, token) for token in ("cls_token", "class_embedding")),
        registers=(0 if registers is None else registers.shape[1]) + hasattr(embeddings, "distillation_token"),
        mean=images.mean_std[0],
        std=images.mean_std[1],
    )
