"""Say what a file's network is, from its names and shapes, and which model is like it."""

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

WORDS = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1152: "so400m", 1280: "huge", 1536: "giant"}
"""What timm's ids call a width."""

OPENAI = {"input_resolution", "context_length", "vocab_size"}
"""What OpenAI's own files hold beside the weights, and no other that is in CLIP's names."""


SHARED_BIASES = r"(encoder\.relative_position_bias|shared_position_bias|rel_pos_bias)\.relative_position_bias_table$"
"""One table for all blocks: only BEiT's pre-training has that."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A vision transformer's size, as far as its parameters tell it; 0 where they do not.

    >>> str(Shape(width=384, depth=12, patch=16, side=24))
    'ViT-S/16 for 384 x 384 pixels'
    """

    width: int
    depth: int
    patch: int
    side: int

    @property
    def pixels(self) -> int:
        """The side of the images that it has positions for."""
        return self.side * self.patch

    @property
    def arch(self) -> str:
        """``ViT-S/16``, with its number of layers where that is not the usual one."""
        usual = self.depth == next((shape.depth for shape in SHAPES.values() if shape.width == self.width), 12)
        name = f"ViT-{LETTERS.get(self.width, self.width)}/{self.patch}"
        return name if usual else f"{name} of {self.depth} layer{'s' if self.depth != 1 else ''}"

    def __str__(self) -> str:
        return self.arch + (f" for {self.pixels} x {self.pixels} pixels" if self.pixels not in (0, 224) else "")


def shape_of(state: Mapping[str, Any]) -> Shape | None:
    """Read a size off parameters in timm's names; None where there is no patch embedding."""
    kernel = state.get("patch_embed.proj.weight")
    if not isinstance(kernel, Tensor) or kernel.ndim != 4:
        return None
    depth = len({found[1] for found in (re.match(r"blocks\.(\d+)\.", name) for name in state) if found})
    table = state.get("pos_embed")
    tokens = table.shape[1] if isinstance(table, Tensor) and table.ndim == 3 else 0
    return Shape(width=kernel.shape[0], depth=depth, patch=kernel.shape[-1], side=math.isqrt(tokens))


def family_of(place: Place, layout: str) -> str:
    """Tell whose a network is where something in the file says so; empty where nothing does.

    A wrapper, a missing head or a mask token say nothing: many scripts write them.
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
    """Tell OpenAI's own file of CLIP."""
    return {name.rpartition(".")[2] for name in place.beside} >= OPENAI


def named_like(family: str, shape: Shape) -> str:
    """Name the model of a family that has a shape, or nothing."""
    wanted = family, shape.arch, shape.pixels or 224
    return next((r.name for r in RECIPES.values() if (r.family, r.arch, r.pixels) == wanted), "")


def ids_like(shape: Shape) -> Iterator[str]:
    """Name those of timm's architectures that a network of a shape may be, the plainest first."""
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
