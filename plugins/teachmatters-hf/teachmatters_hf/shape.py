"""The shape of a network: told from its config before it is built, and read off its parameters afterwards."""

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
    """The field's name of a shape.

    >>> arch(768, 16), arch(1152, 14)
    ('ViT-B/16', 'ViT-1152/14')
    """
    return f"ViT-{LETTERS.get(width, width)}/{patch}"


def expected(config: Mapping[str, Any], images: Images) -> dict[str, Any]:
    """What a config tells of a model's shape, as fields of a ModelSpec; what it does not tell is left out.

    >>> from teachmatters_hf.families import IMAGENET
    >>> expected({"hidden_size": 384, "patch_size": 14, "num_hidden_layers": 12}, Images(IMAGENET))
    {'patch_size': 14, 'depth': 12, 'arch': 'ViT-S/14'}
    """
    names = {"patch_size": "patch_size", "image_size": "image_size", "num_hidden_layers": "depth"}
    names |= {"num_attention_heads": "heads", "hidden_size": "width"}
    told = {names[key]: value for key, value in config.items() if key in names and isinstance(value, int) and value > 0}
    width = told.pop("width", 0)
    native = config.get("image_size")
    if isinstance(native, list) and len(set(native)) > 1:  # a rectangle, which stays what it is
        told["image_size"] = min(map(int, native))
    elif images.size is not None:
        told["image_size"] = min(images.size)
    return told | ({"arch": arch(width, told["patch_size"])} if width and "patch_size" in told else {})


def pair(value: Any) -> tuple[int, int]:
    """Rows and columns, from one number for both or from the two.

    >>> pair(224), pair([224, 112])
    ((224, 224), (224, 112))
    """
    rows, columns = (value, value) if isinstance(value, int) else value
    return int(rows), int(columns)


def native_size(config: Any) -> tuple[int, int]:
    """Rows and columns of pixels that a network's positions were learned for.

    >>> from types import SimpleNamespace
    >>> native_size(SimpleNamespace(image_size=224)), native_size(SimpleNamespace(num_patches=256, patch_size=16))
    ((224, 224), (256, 256))
    """
    told = getattr(config, "image_size", None)
    return pair(told if told is not None else math.isqrt(config.num_patches) * pair(config.patch_size)[0])


def describe(network: Any, images: Images, name: str, *, fixed: bool = False) -> ModelInfo:
    """The shape of a built tower.

    Args:
        network: a tower of transformers.
        images: how it wants its images.
        name: for messages.
        fixed: whether it takes images of its own size alone.

    Raises:
        TeachMattersError: patches that are no squares, images of other than three channels, or another size asked of
            a network that has one.
    """
    config, embeddings = network.config, network.embeddings
    (patch, other), native = pair(config.patch_size), native_size(config)
    if patch != other or config.num_channels != 3:
        raise TeachMattersError(
            f"{name} has patches of {patch} x {other} pixels of {config.num_channels} channels; square patches of "
            "images in colour are needed"
        )
    # positions of a rectangle cannot be interpolated: transformers takes them for a square
    size = images.size if images.size is not None and native[0] == native[1] and not fixed else native
    if images.asked and size != images.size:
        raise TeachMattersError(f"{name}: this network takes one size only; leave what follows the '@' out")
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
