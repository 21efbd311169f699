"""The preflight check: a tiny batch shows, before hours of work, whether a model behaves like a plain ViT."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from teachmatters.api import ModelAdapter, ModelInfo, Tap
from teachmatters.errors import TeachMattersError

IMAGES = 2


def preflight_check(adapter: ModelAdapter, device: torch.device, dtype: torch.dtype) -> None:
    """Stream two noise images and check every tap of every layer.

    Attention must be (B, heads, T, T) with rows that sum to 1, T being the grid and the prefix; skip and branches must
    add up to the block's output; all of it finite.

    Raises:
        TeachMattersError: one of these does not hold; names it and the layer.
    """
    info = adapter.info
    height, width = info.input_size
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(IMAGES, 3, height, width, generator=generator).to(device, dtype)
    sink = _PreflightSink(info, dtype)
    with torch.inference_mode():
        adapter.stream(pixels, info.taps, sink)
        sink.complete()
        if info.last_norm:
            sink.check_last_norm(adapter.last_norm)


class _PreflightSink:
    """A sink that checks each tensor and keeps one layer at a time."""

    def __init__(self, info: ModelInfo, dtype: torch.dtype) -> None:
        self.info = info
        # Half precision rounds every sum to 8 or 11 bits; anything structural is off by far more.
        self.tolerance = 1e-3 if dtype == torch.float32 else 0.05
        self.layer = 0
        self.held: dict[Tap, Tensor] = {}
        self.checks: dict[Tap, Callable[[Tensor], None]] = {
            "attention": self._attention,
            "mlp_hidden": lambda values: self._tokens(values, info.mlp_width),
            "block": self._block,
        }

    def __call__(self, layer: int, tap: Tap, values: Tensor) -> None:
        if layer not in (self.layer, self.layer + 1):
            self._refuse(f"layer {layer} came after layer {self.layer}")
        if layer > self.layer:
            self._layer_complete()
            self.layer, self.held = layer, {}
        if not values.isfinite().all():
            raise TeachMattersError(
                f"the {tap.replace('_', ' ')} of layer {layer} is not finite (NaN or infinity); nothing of this run is "
                "stored; check the weights, or try --dtype float32"
            )
        self.checks.get(tap, self._tokens)(values)
        self.held[tap] = values.clone() if tap not in ("attention", "mlp_hidden") else values.new_empty(0)

    def complete(self) -> None:
        """Check that all taps of all layers arrived."""
        self._layer_complete()
        if self.layer != self.info.depth:
            self._refuse(f"{self.layer} of {self.info.depth} layers produced output")

    def _layer_complete(self) -> None:
        if self.layer and (missing := self.info.taps - set(self.held)):
            self._refuse(f"layer {self.layer} produced no {', no '.join(sorted(missing))}")

    def check_last_norm(self, last_norm: Callable[[Tensor], Tensor]) -> None:
        """Check that the last norm keeps the shape of the last block's output and is finite."""
        block = self.held["block"]
        normed = last_norm(block)
        if normed.shape != block.shape or not normed.isfinite().all():
            self._refuse(f"its last norm turns {tuple(block.shape)} into {tuple(normed.shape)}, or is not finite")

    def _tokens(self, values: Tensor, width: int | None = None) -> None:
        expected = IMAGES, self.info.tokens, width or self.info.width
        if tuple(values.shape) != expected:
            self._refuse(f"layer {self.layer} has tokens of shape {tuple(values.shape)}; expected {expected}")

    def _attention(self, values: Tensor) -> None:
        tokens = self.info.tokens
        expected = IMAGES, self.info.heads, tokens, tokens
        if tuple(values.shape) != expected:
            self._refuse(f"layer {self.layer} has attention of shape {tuple(values.shape)}; expected {expected}")
        if (values.float().sum(dim=-1) - 1).abs().max() > self.tolerance or values.min() < 0:
            self._refuse(f"the attention rows of layer {self.layer} do not sum to 1: it is not a softmax")

    def _block(self, values: Tensor) -> None:
        self._tokens(values)
        for skip, branch, total in (
            ("attn_skip", "attn_branch", self.held.get("mlp_skip")),
            ("mlp_skip", "mlp_branch", values),
        ):
            summands = self.held.get(skip), self.held.get(branch)  # type: ignore[call-overload]
            if total is None or summands[0] is None or summands[1] is None:
                continue
            scale = total.float().abs().max().clamp(min=1e-6)
            if ((summands[0] + summands[1] - total).float().abs().max() / scale) > self.tolerance:
                self._refuse(f"skip and branch of layer {self.layer} ({skip}, {branch}) do not add up to its output")

    def _refuse(self, reason: str) -> None:
        raise TeachMattersError(f"this model cannot be analysed: {reason}; plain vision transformers can ('tm models')")
