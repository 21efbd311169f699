"""Telling what a file of weights holds from its names and shapes: its layout, and whose network it is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.conversions import BEIT_TABLE, CONVERSIONS, MOCO_ENCODER, StateDict
from teachmatters.models.recipes import RECIPES, SHAPES, Layout

WRAPPERS = ("model", "state_dict")
"""Names under which training scripts keep the weights beside optimiser and arguments."""

TITLES = {"mae": "MAE", "moco": "MoCo-v3", "beit": "BEiT", "clip": "CLIP", "supervised": "supervised"}

FAMILY: dict[Layout, str] = {
    "mae": "mae",
    "moco": "moco",
    "beit": "beit",
    "beit-hf": "beit",
    "clip": "clip",
    "augreg": "supervised",
}
"""The family whose authors publish in a layout; timm's belongs to none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds.

    Attributes:
        state: its parameters in timm's naming.
        layout: the layout that it had.
        family: whose it is, as far as its names tell; empty when they do not.
        arch: ``ViT-L/16``; empty when it cannot be told.
        pixels: the side of its pictures, 0 when it cannot be told.
    """

    state: StateDict
    layout: Layout
    family: str
    arch: str
    pixels: int

    @property
    def words(self) -> str:
        """``MAE ViT-L/16``."""
        size = f" at {self.pixels}" if self.pixels not in (0, 224) else ""
        return " ".join(word for word in (TITLES.get(self.family, ""), self.arch + size) if word)

    @property
    def model(self) -> str:
        """The named model that it is the weights of, or nothing."""
        wanted = self.family, self.arch, self.pixels or 224
        return next((r.name for r in RECIPES.values() if (r.family, r.arch, r.pixels) == wanted), "")


def recognise(content: Mapping[Any, Any], path: Path) -> Found:
    """What the content of a checkpoint is.

    Args:
        content: as read by checkpoints.read.
        path: for messages.

    Raises:
        TeachMattersError: it is a whole training run of DINO, with two networks in it.
    """
    if "student" in content or "teacher" in content:
        raise TeachMattersError(
            f"{path} is a whole DINO training checkpoint ({listing(map(str, content))}); give the backbone's plain "
            "state dict: DINO's 'backbone only' download"
        )
    wrapper, state = unwrap(content)
    layout = _layout(state)
    converted = CONVERSIONS[layout](state)
    arch, pixels = _shape(converted)
    if layout == "timm" and _wrapped_like_mae(wrapper, state, arch):
        layout = "mae"
    return Found(converted, layout, FAMILY.get(layout) or _family(converted), arch, pixels)


def unwrap(content: Mapping[Any, Any]) -> tuple[str, StateDict]:
    """The parameters, and under what name a training script kept them, if under any."""
    wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), "")
    inner = content[wrapper] if wrapper else content
    return wrapper, {key.removeprefix("module."): value for key, value in inner.items() if isinstance(key, str)}


MARKS: tuple[tuple[Layout, str], ...] = (
    ("moco", rf"{re.escape(MOCO_ENCODER)}"),
    ("augreg", r".*\bembedding/kernel$"),
    ("beit-hf", r"beit\."),
    ("clip", r"visual\.(class_embedding$|transformer\.resblocks\.)"),
    ("beit", rf"{re.escape(BEIT_TABLE)}$|lm_head\."),
    ("mae", r"decoder|mask_token$"),
)
"""Names that only one layout has; where a file has several, the first counts."""


def _layout(state: Mapping[str, Any]) -> Layout:
    for layout, mark in MARKS:
        if any(re.match(mark, key) for key in state):
            return layout
    return "timm"


def _wrapped_like_mae(wrapper: str, state: Mapping[str, Any], arch: str) -> bool:
    """MAE's encoder alone is the one official file that is wrapped in "model" and has no classifier.

    Anybody's training script may wrap a network so; it is MAE's only where MAE published one of that size.
    """
    has_classifier = any(key.startswith("head.") for key in state)
    published = any(recipe.family == "mae" and recipe.arch == arch for recipe in RECIPES.values())
    return wrapper == "model" and not has_classifier and published


def _family(state: Mapping[str, Any]) -> str:
    """Some networks differ from the plain one by a parameter."""
    if "norm_pre.weight" in state:
        return "clip"
    return "beit" if "blocks.0.gamma_1" in state and "blocks.0.attn.q_bias" in state else ""


def _shape(state: Mapping[str, Any]) -> tuple[str, int]:
    """Architecture and side of the pictures, read off the patch embedding, the blocks and the positions."""
    kernel, positions = state.get("patch_embed.proj.weight"), state.get("pos_embed")
    if not isinstance(kernel, Tensor) or kernel.ndim != 4:
        return "", 0
    width, patch = kernel.shape[0], kernel.shape[-1]
    depth = len({found[1] for found in (re.match(r"blocks\.(\d+)\.", key) for key in state) if found})
    known = next((size for size, shape in SHAPES.items() if shape.width == width), "")
    arch = f"ViT-{known.upper() or width}/{patch}"
    if not known or SHAPES[known].depth != depth:
        arch += f" of {depth} layers"
    tokens = positions.shape[1] if isinstance(positions, Tensor) and positions.ndim == 3 else 0
    return arch, math.isqrt(tokens) * patch
