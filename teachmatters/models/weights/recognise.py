"""Recognise a file's network from its names and shapes, and find similar models."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from teachmatters.models.layout import LETTERS
from teachmatters.models.recipes import RECIPES, SHAPES
from teachmatters.models.weights.finding import Place

TITLES = {"mae": "MAE", "moco": "MoCo-v3", "clip": "CLIP", "supervised": "Google's supervised"}

# The word for a width in timm's ids.
WORDS = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1152: "so400m", 1280: "huge", 1536: "giant"}

# Entries next to the weights by which OpenAI's own files differ from others in CLIP's names.
OPENAI = {"input_resolution", "context_length", "vocab_size"}


# One table for all blocks, which only BEiT's pre-training uses.
SHARED_BIASES = r"(encoder\.relative_position_bias|shared_position_bias|rel_pos_bias)\.relative_position_bias_table$"


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a vision transformer, read from its parameters; 0 for what they do not show.

    >>> str(Shape(width=384, depth=12, patch=16, side=24))
    'ViT-S/16 for 384 x 384 pixels'
    """

    width: int
    depth: int
    patch: int
    side: int

    @property
    def pixels(self) -> int:
        """Return the image side that its position table is made for."""
        return self.side * self.patch

    @property
    def arch(self) -> str:
        """Return the architecture, such as ``ViT-S/16``, followed by an unusual number of layers."""
        usual = self.depth == next((shape.depth for shape in SHAPES.values() if shape.width == self.width), 12)
        name = f"ViT-{LETTERS.get(self.width, self.width)}/{self.patch}"
        return name if usual else f"{name} of {self.depth} layer{'s' if self.depth != 1 else ''}"

    def __str__(self) -> str:
        return self.arch + (f" for {self.pixels} x {self.pixels} pixels" if self.pixels not in (0, 224) else "")


# The most tokens that a table of positions has before those of the patches: one of the class and four registers.
PREFIX = 5


def shape_of(state: Mapping[str, Any]) -> Shape | None:
    """Read the size from parameters in timm's names; None without a patch embedding."""
    kernel = state.get("patch_embed.proj.weight")
    if not isinstance(kernel, Tensor) or kernel.ndim != 4:
        return None
    depth = len({found[1] for found in (re.match(r"blocks\.(\d+)\.", name) for name in state) if found})
    table = state.get("pos_embed")
    tokens = table.shape[1] if isinstance(table, Tensor) and table.ndim == 3 else 0
    side = math.isqrt(tokens)
    if tokens - side * side > PREFIX:  # not a square of patches
        side = 0
    return Shape(width=kernel.shape[0], depth=depth, patch=kernel.shape[-1], side=side) if depth else None


def family_of(place: Place, layout: str) -> str:
    """Return the family of a network where the file shows it, else an empty text.

    A wrapper, a missing head or a mask token is no evidence: many scripts write them.
    """
    if layout == "augreg":
        return "supervised"
    if layout == "clip":
        return "clip"
    if any(re.match(SHARED_BIASES, name) for name in place.state):
        return "beit"
    if any(name.startswith(("decoder_blocks.", "decoder_pred.")) for name in place.state):
        return "mae"
    training = any(re.search(r"(^|\.)(momentum_encoder|predictor)\.", name) for name in place.beside)
    return "moco" if place.words[-1:] == ("base_encoder",) and training else ""


def is_openai(place: Place) -> bool:
    """Return True for OpenAI's own file of CLIP."""
    return {name.rpartition(".")[2] for name in place.beside} >= OPENAI


def named_like(family: str, shape: Shape) -> str:
    """Return the name of a family's model with that shape, or an empty text."""
    wanted = family, shape.arch, shape.pixels or 224
    return next((r.name for r in RECIPES.values() if (r.family, r.arch, r.pixels) == wanted), "")


def ids_like(shape: Shape) -> Iterator[str]:
    """Yield timm's architectures that a network of that shape may be, the plainest first."""
    word, patch, pixels = WORDS.get(shape.width, str(shape.width)), shape.patch, shape.pixels or 224
    for size in dict.fromkeys((pixels, 224)):
        yield f"vit_{word}_patch{patch}_{size}"
        yield f"vit_{word}_patch{patch}_clip_{size}"
        yield f"vit_{word}_patch{patch}_siglip_{size}"
    for kind in ("dinov2", "reg4_dinov2", "dinov3"):
        yield f"vit_{word}_patch{patch}_{kind}"
    for family in ("deit3", "beit", "eva02", "deit"):
        kind = "distilled_" if family == "deit" else ""
        yield f"{family}_{word}_{kind}patch{patch}_224"
