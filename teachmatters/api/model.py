"""The contract of a model: a cheap spec, a source that knows its weights, an adapter that streams taps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from teachmatters.api.size import Size, split_size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Tap: TypeAlias = Literal[
    "norm1", "attention", "attn_skip", "attn_branch", "norm2", "mlp_skip", "mlp_branch", "block", "cls", "mean"
]
"""What can be read at a layer. With B inputs, T tokens, D channels, H heads:

- ``attention`` (B, H, T, T): the softmax output before dropout, rows are queries, float32;
- ``norm1``, ``norm2`` (B, T, D): outputs of the block's two norms;
- ``attn_skip``, ``mlp_skip``: what the sub-block is added to; ``attn_branch``, ``mlp_branch``: what is added, after
  layer scale (B, T, D);
- ``block`` (B, T, D): the block's output, no final norm;
- ``cls``, ``mean`` (B, D): the class token, and the mean of the spatial tokens, of ``block``. Derived by the runner;
  adapters never see them. A model without a class token has no ``cls``: it never comes.
"""

DERIVED: frozenset[Tap] = frozenset({"cls", "mean"})
"""Taps that the runner makes of others."""

TAPS: frozenset[Tap] = frozenset(get_args(Tap))

SUPERVISIONS = (
    "labels",
    "image-text contrast",
    "self-distillation",
    "contrast",
    "masked reconstruction",
    "masked token prediction",
    "latent prediction",
    "autoregression",
    "multi-teacher distillation",
    "none",
)
"""The words for how a model was trained, in the order of tables and legends. Any other text is allowed too."""

Sink: TypeAlias = "Callable[[int, Tap, Tensor], None]"
"""Called with (layer from 1, tap, tensor) the moment the tensor exists; the tensor must not be kept or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model that can be asked for by name; nothing in it needs torch.

    Attributes:
        name: ``dino-b16``; a name that ends in ``/`` is a prefix, and what follows it goes to ``resolve``.
        family: what reports group by and what ``--model`` accepts for all of its members.
        supervision: how its own weights were trained, one of SUPERVISIONS where one fits; empty when unknown.
        summary: one line.
        factory: ``module:callable`` taking a ModelRequest and returning a ModelSource.
        resolve: for a prefix, ``module:callable`` taking the whole name and returning a ModelSpec.
        aliases: other names.
        arch, patch_size, image_size, depth, heads: what is known beforehand; empty and 0 when it is not.
        licence, source, citation: of the weights.
        resizable: whether the factory builds it for ``size``.
    """

    name: str
    family: str
    supervision: str
    summary: str
    factory: str = ""
    resolve: str = ""
    aliases: tuple[str, ...] = ()
    arch: str = ""
    patch_size: int = 0
    image_size: int = 0
    depth: int = 0
    heads: int = 0
    licence: str = ""
    source: str = ""
    citation: str = ""
    resizable: bool = False

    @property
    def size(self) -> Size | None:
        """Rows and columns of pixels, where the name asks for them (``NAME@SIZE``); None for the model's own."""
        return split_size(self.name)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What the user asked for: a spec, perhaps a file of weights, a seed for what is not trained."""

    spec: ModelSpec
    weights: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Weights that were found and identified, and the way to build the network from them.

    Attributes:
        weights: a sha256 in hex that identifies the weights and what computes with them, known without building the
            network. Equal ones under one label are taken for one model.
        build: makes the adapter, on the CPU, in float32 and eval mode.
        remarks: sentences about choices that change numbers, such as which of two networks in a file was taken; they
            are printed once and kept in the run's notes.
    """

    weights: str
    build: Callable[[], ModelAdapter]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The shape of a built model. Tokens are [class token] [registers] [patches row by row].

    Attributes:
        arch: ``ViT-B/16``.
        depth, heads, width: blocks, heads of a block, channels of a token.
        patch_size, image_size: in pixels.
        grid: rows and columns of patches for a square input of image_size (or the model's own rectangle).
        class_token: whether the first token is one.
        registers: other tokens before the patches.
        mean, std: of the three channels, in 0..1.
        supervision: how the weights were trained, as far as a file of weights tells by its layout; empty when it does
            not. Of published weights the spec tells it.

    >>> info = ModelInfo(arch="ViT-B/16", depth=12, heads=12, width=768, patch_size=16, image_size=224,
    ...                  grid=(14, 14), class_token=True, registers=0, mean=(.5,) * 3, std=(.5,) * 3)
    >>> info.prefix, info.tokens, info.input_size
    (1, 197, (224, 224))
    """

    arch: str
    depth: int
    heads: int
    width: int
    patch_size: int
    image_size: int
    grid: tuple[int, int]
    class_token: bool
    registers: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    supervision: str = ""

    @property
    def prefix(self) -> int:
        """Number of tokens before the first patch."""
        return int(self.class_token) + self.registers

    @property
    def tokens(self) -> int:
        """Number of tokens of a block."""
        return self.prefix + self.grid[0] * self.grid[1]

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of an input: image_size both ways, or what a rectangular grid covers."""
        if self.grid[0] == self.grid[1]:
            return self.image_size, self.image_size
        return self.grid[0] * self.patch_size, self.grid[1] * self.patch_size


class ModelAdapter(ABC):
    """A network that tells what happens inside it while it runs."""

    info: ModelInfo

    @abstractmethod
    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """AnnotationTransform the network."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> Tensor:
        """The plain forward pass, as fast as the model can: (B, 3, height, width) -> the last block's (B, T, D)."""

    @abstractmethod
    def stream(self, pixels: Tensor, taps: frozenset[Tap], sink: Sink) -> None:
        """One forward pass that hands every tap of every layer to the sink, layer by layer, as it comes to exist.

        Within a layer the order is that of Tap. The network is left exactly as it was found, also after an error.
        """
