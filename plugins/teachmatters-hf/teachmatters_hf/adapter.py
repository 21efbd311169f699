"""The adapter of networks of transformers: it hands over the taps of a forward pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from teachmatters.api import ModelAdapter, ModelInfo, Sink, Tap
from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.attention import AttentionCapture
from teachmatters.models.taps import Layer
from teachmatters_hf.families import Family
from teachmatters_hf.shape import native_size

# Attributes of a tower that may hold its blocks.
LISTS = ("layers", "encoder.layers", "encoder.layer", "model.layer")

# The last linear layer of a block's MLP.
LAST_LINEAR = ("mlp.fc2", "mlp.down_proj", "ffn.down_proj", "output.dense")

# The last norm of a tower: before pooling, except the pooler's.
LAST_NORM = ("layernorm", "norm", "post_layernorm", "rms_norm")
POOLED_NORM = "pooler.layernorm"


class TransformersViT(ModelAdapter):
    """Adapter of a vision transformer of transformers.

    Args:
        network: the tower, weights loaded, with attention through ``scaled_dot_product_attention``.
        family: the names of its parts.
        info: see shape.describe.
        name: for messages.

    Raises:
        TeachMattersError: its blocks lack a part that the family names.
    """

    def __init__(self, network: nn.Module, family: Family, info: ModelInfo, name: str) -> None:
        self.network, self._family = network, family
        self._native = native_size(network.config)
        self._blocks = blocks_of(network, family, name)
        self._like = torch.empty(0)
        widths = {getattr(_part(block, LAST_LINEAR), "in_features", 0) for block in self._blocks}
        pooled = _part(network, (POOLED_NORM,))
        self._last_norm = _part(network, LAST_NORM) or pooled
        self.info = replace(
            info,
            mlp_width=widths.pop() if len(widths) == 1 else 0,
            last_norm="" if self._last_norm is None else "pooled" if self._last_norm is pooled else "tokens",
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.network.to(device=device, dtype=dtype)
        self._like = torch.empty(0, device=device, dtype=dtype)

    def forward(self, pixels: Tensor) -> Tensor:
        last: list[Tensor] = []
        with ExitStack() as hooks:
            _after(self._blocks[-1], last.append, hooks)
            self._run(pixels)
        return last[0]

    def stream(self, pixels: Tensor, taps: frozenset[Tap], sink: Sink) -> None:
        layers = [Layer(number, taps, sink) for number in range(1, self.info.depth + 1)]
        with ExitStack() as hooks:
            capture = AttentionCapture(lambda number, attention: layers[number - 1].offer("attention", attention))
            for layer, block in zip(layers, self._blocks, strict=True):
                attach(layer, block, self._family, hooks)
                if "attention" in taps:
                    attention = getattr(block, self._family.attention)
                    _before(attention, lambda _, number=layer.number: capture.enter_block(number), hooks)  # type: ignore[misc]
                    _after(attention, lambda _: capture.leave_block(), hooks)
            if "attention" in taps:
                hooks.enter_context(capture)
            self._run(pixels)

    def last_norm(self, vectors: Tensor) -> Tensor:
        assert self._last_norm is not None  # info.last_norm is set
        normed: Tensor = self._last_norm(vectors.to(self._like))
        return normed

    def _run(self, pixels: Tensor) -> None:
        told: dict[str, Any] = {}
        height, width = pixels.shape[-2:]
        if self._family.asks and (height, width) != self._native:
            told["interpolate_pos_encoding"] = True
        if self._family.shuffles:  # patches are sorted by this "noise"; increasing noise keeps their order
            patches = (height // self.info.patch_size) * (width // self.info.patch_size)
            told["noise"] = torch.arange(patches, device=self._like.device).expand(len(pixels), -1)
        given = pixels.to(self._like)
        if self._family.flattens:
            grid = height // self.info.patch_size, width // self.info.patch_size
            told["spatial_shapes"] = torch.tensor([grid], device=self._like.device).expand(len(pixels), -1)
            told["pixel_attention_mask"] = torch.ones(
                len(pixels), grid[0] * grid[1], dtype=torch.int32, device=self._like.device
            )
            given = flattened(given, self.info.patch_size)
        with torch.inference_mode():
            self.network(pixel_values=given, **told)


def flattened(pixels: Tensor, patch: int) -> Tensor:
    """Cut images into patches, row by row: (B, 3, height, width) to (B, patches, patch * patch * 3), channels last.

    >>> flattened(torch.zeros(2, 3, 32, 16), 8).shape
    torch.Size([2, 8, 192])
    """
    count, channels, height, width = pixels.shape
    cut = pixels.reshape(count, channels, height // patch, patch, width // patch, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


# --8<-- [start:attach]
def attach(layer: Layer, block: nn.Module, family: Family, hooks: ExitStack) -> None:
    """Offer a layer all taps of its block except attention; the layer keeps the requested ones.

    Args:
        layer: receives the tensors.
        block: one of blocks_of.
        family: the names of the parts.
        hooks: closing it removes every hook.
    """
    norm1, norm2 = (getattr(block, norm) for norm in family.norms)
    _before(block, lambda value: layer.offer("attn_skip", value), hooks)
    _after(norm1, lambda value: layer.offer("norm1", value), hooks)
    _before(norm2, lambda value: layer.offer("mlp_skip", value), hooks)
    _after(norm2, lambda value: layer.offer("norm2", value), hooks)
    if (last_linear := _part(block, LAST_LINEAR)) is not None:
        _before(last_linear, lambda value: layer.offer("mlp_hidden", value), hooks)
    branches: list[Tap] = ["attn_branch", "mlp_branch"]  # computed in this order by every family
    for part in dict.fromkeys(family.branches):
        _after(getattr(block, part), lambda value: layer.offer(branches.pop(0), value), hooks)
    _after(block, layer.leave, hooks)


# --8<-- [end:attach]


def _part(module: nn.Module, paths: tuple[str, ...]) -> nn.Module | None:
    """Return the first of some submodules that exists and does something; None if there is none."""
    for path in paths:
        with suppress(AttributeError):
            part = module.get_submodule(path)
            if not isinstance(part, nn.Identity):
                return part
    return None


def blocks_of(network: nn.Module, family: Family, name: str) -> list[nn.Module]:
    """Return the blocks of a tower; each has the parts that the family names.

    Raises:
        TeachMattersError: the tower has no blocks, or they lack a part.
    """
    blocks: list[nn.Module] = []
    for path in LISTS:
        with suppress(AttributeError):
            blocks = blocks or list(network.get_submodule(path).children())
    parts = (*family.norms, family.attention, *family.branches)
    lacking = [part for part in dict.fromkeys(parts) if any(not hasattr(block, part) for block in blocks)]
    if lacking or not blocks:
        raise TeachMattersError(
            f"{name} cannot be read layer by layer: transformers {transformers.__version__} builds a {family.tower} "
            f"{f'whose blocks have no {listing(lacking)}' if blocks else 'without blocks'}; install a version that "
            "teachmatters-hf names, or choose another model"
        )
    return blocks


def _before(module: nn.Module, then: Callable[[Tensor], None], hooks: ExitStack) -> None:
    """Call ``then`` with the module's first argument before it runs."""

    def hook(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        then(given[0] if given else named["hidden_states"])

    hooks.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)


def _after(module: nn.Module, then: Callable[[Tensor], None], hooks: ExitStack) -> None:
    """Call ``then`` with the module's output after it has run; attention also returns its weights, second."""

    def hook(_: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        then(output[0] if isinstance(output, tuple) else output)

    hooks.callback(module.register_forward_hook(hook).remove)
