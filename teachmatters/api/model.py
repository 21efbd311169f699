"""The contract of a model: a cheap spec, a source that identifies its weights, an adapter that streams taps."""

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

# The tensors that can be read at a layer. With B inputs, T tokens, D channels and H heads:
#
# - ``attention`` (B, H, T, T): the softmax output before dropout, rows are queries, float32;
# - ``norm1``, ``norm2`` (B, T, D): outputs of the block's two norms;
# - ``attn_skip``, ``mlp_skip`` (B, T, D): the tokens that the sub-block is added to;
# - ``attn_branch``, ``mlp_branch`` (B, T, D): the output of the sub-block, after layer scale;
# - ``mlp_hidden`` (B, T, ModelInfo.mlp_width): the input of the MLP's last linear layer, that is after the activation,
#   the gate of a SwiGLU and an inner norm. Only adapters that set ``mlp_width`` have it;
# - ``block`` (B, T, D): the block's output, before the network's last norm.
Tap: TypeAlias = Literal[
    "norm1", "attention", "attn_skip", "attn_branch", "norm2", "mlp_skip", "mlp_hidden", "mlp_branch", "block"
]

TAPS: frozenset[Tap] = frozenset(get_args(Tap))

# The common kinds of training, in the order of tables and legends. Any other text is allowed too.
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

# Called with (layer from 1, tap, tensor) as soon as the tensor exists. It must not keep or change the tensor.
Sink: TypeAlias = "Callable[[int, Tap, Tensor], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A named model. The spec itself does not need torch.

    Attributes:
        name: ``dino-b16``; a name that ends in ``/`` is a prefix, whose names ``resolve`` turns into specs.
        family: the group in reports; ``--model`` accepts it for all members.
        supervision: the training of its weights, one of SUPERVISIONS where one fits; empty when unknown.
        summary: one line.
        factory: ``module:callable`` that takes a ModelRequest and returns a ModelSource.
        resolve: for a prefix, ``module:callable`` that takes the whole name and returns a ModelSpec.
        aliases: other names.
        arch, patch_size, image_size, depth, heads: the shape, as far as known beforehand; empty or 0 otherwise.
        licence, source, citation: the terms of the weights, where to get them, and what to cite.
        resizable: whether the factory can build it for ``size``.
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
        """Return the rows and columns of pixels of ``NAME@SIZE``, or None for the model's own size."""
        return split_size(self.name)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A request for a model: its spec, a file of weights or None, and a seed for untrained weights."""

    spec: ModelSpec
    weights: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Weights that were found and identified, and a function that builds the network from them.

    Attributes:
        weights: a sha256 in hex that identifies the weights and the code that computes with them, known without
            building the network. Equal hashes under one label count as one model.
        build: returns the adapter, on the CPU, in float32 and eval mode.
        remarks: sentences about choices that change numbers, such as the choice between two networks in a file. They
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
        depth, heads, width: the number of blocks, heads per block and channels per token.
        patch_size, image_size: in pixels.
        grid: rows and columns of patches for a square input of image_size (or the model's own rectangle).
        class_token: whether the first token is a class token.
        registers: the number of other tokens before the patches.
        mean, std: the mean and std of the three channels of the training images, in 0..1.
        supervision: the training of the weights, if the layout of a file of weights shows it; else empty. For
            published weights, the spec has it.
        mlp_width: channels of the tap ``mlp_hidden``; 0 if the adapter does not have this tap.
        last_norm: where the network applies its last norm: to all ``tokens``, or to the ``pooled`` vector, as timm's
            ``fc_norm``. Empty if it has none, or the adapter does not have ``last_norm``.

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
    mlp_width: int = 0
    last_norm: Literal["", "tokens", "pooled"] = ""

    @property
    def taps(self) -> frozenset[Tap]:
        """Return the taps that its adapter has: all of them, ``mlp_hidden`` only with ``mlp_width``."""
        return TAPS if self.mlp_width else TAPS - {"mlp_hidden"}

    @property
    def prefix(self) -> int:
        """Return the number of tokens before the first patch."""
        return int(self.class_token) + self.registers

    @property
    def tokens(self) -> int:
        """Return the number of tokens of a block."""
        return self.prefix + self.grid[0] * self.grid[1]

    @property
    def input_size(self) -> tuple[int, int]:
        """Return height and width of an input: image_size both ways, or the extent of a rectangular grid."""
        if self.grid[0] == self.grid[1]:
            return self.image_size, self.image_size
        return self.grid[0] * self.patch_size, self.grid[1] * self.patch_size


class ModelAdapter(ABC):
    """A network that gives access to its taps while it runs."""

    info: ModelInfo

    @abstractmethod
    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the network."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> Tensor:
        """Run the plain forward pass: (B, 3, height, width) -> the output of the last block, (B, T, D)."""

    @abstractmethod
    def stream(self, pixels: Tensor, taps: frozenset[Tap], sink: Sink) -> None:
        """Run one forward pass that hands the taps of every layer to the sink, layer by layer, as soon as they exist.

        Within a layer, the order is that of Tap. The network must be unchanged afterwards, also after an error. A sink
        must copy what it keeps: the memory of a tensor may be used again for the next layer.
        """

    def last_norm(self, vectors: Tensor) -> Tensor:
        """Apply the network's last norm to the last dimension: (..., D) -> (..., D). Needed if ``info.last_norm``."""
        raise NotImplementedError(f"{type(self).__name__} sets info.last_norm and has no last_norm")
