"""The adapter for every timm vision transformer."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor, nn

from teachmatters.api import ModelAdapter, Sink, Tap
from teachmatters.errors import TeachMattersError
from teachmatters.models.attention import AttentionCapture
from teachmatters.models.layout import blocks_of, describe
from teachmatters.models.recipes import RGB
from teachmatters.models.taps import Layer, attach, attach_capture


class TimmViT(ModelAdapter):
    """Adapter of a timm network.

    Args:
        network: built by timm, weights loaded.
        name: for messages.
        arch: ``ViT-B/16``, or empty to derive it.
        mean_std: mean and standard deviation of the three channels, in 0..1.
        supervision: the supervision of the weights, if their file shows it; else empty.

    Raises:
        TeachMattersError: the blocks of the network cannot be read.

    >>> import timm
    >>> network = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0)
    >>> model = TimmViT(network, "tiny")
    >>> model.stream(torch.zeros(1, 3, 32, 32), frozenset({"attention"}), lambda *tap: print(tap[0], tap[2].shape))
    1 torch.Size([1, 3, 5, 5])
    2 torch.Size([1, 3, 5, 5])
    """

    def __init__(
        self,
        network: nn.Module,
        name: str,
        arch: str = "",
        mean_std: tuple[RGB, RGB] = ((0.5,) * 3, (0.5,) * 3),
        supervision: str = "",
    ) -> None:
        self.info = replace(describe(network, name, arch, mean_std), supervision=supervision)
        self.network = network.eval().requires_grad_(False)
        self._blocks = blocks_of(network, name)
        self._embedding = getattr(network, "patch_embed", None)
        self._like = torch.empty(0)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.network.to(device=device, dtype=dtype)
        self._like = torch.empty(0, device=device, dtype=dtype)

    def forward(self, pixels: Tensor) -> Tensor:
        last: list[Tensor] = []
        handle = self._blocks[-1].register_forward_hook(lambda _block, _inputs, output: last.append(output))
        try:
            self._run(pixels)
        finally:
            handle.remove()
        return last[0]

    def stream(self, pixels: Tensor, taps: frozenset[Tap], sink: Sink) -> None:
        with ExitStack() as hooks:
            layers = [Layer(number, taps, sink) for number in range(1, self.info.depth + 1)]
            for layer, block in zip(layers, self._blocks, strict=True):
                attach(layer, block, taps, hooks)
            if "attention" in taps:
                self._capture(layers, hooks)
            self._run(pixels)

    def last_norm(self, vectors: Tensor) -> Tensor:
        norm = self.network.norm if self.info.last_norm == "tokens" else self.network.fc_norm
        normed: Tensor = norm(vectors.to(self._like))  # type: ignore[operator]  # a module, see layout.describe
        return normed

    def _capture(self, layers: list[Layer], hooks: ExitStack) -> None:
        capture = AttentionCapture(lambda number, attention: layers[number - 1].offer("attention", attention))
        for layer, block in zip(layers, self._blocks, strict=True):
            attach_capture(capture, layer.number, block, hooks)
        hooks.enter_context(capture)

    def _run(self, pixels: Tensor) -> None:
        self._check_size(pixels)
        # Also runs the final norm: it is too cheap to need a separate forward for every family.
        with torch.inference_mode():
            self.network.forward_features(pixels.to(self._like))  # type: ignore[operator]  # every timm ViT has it

    def _check_size(self, pixels: Tensor) -> None:
        given = int(pixels.shape[-2]), int(pixels.shape[-1])
        if given != self.info.input_size and getattr(self._embedding, "strict_img_size", False):
            raise TeachMattersError(
                f"this network takes images of {' x '.join(map(str, self.info.input_size))} pixels, not "
                f"{' x '.join(map(str, given))}; choose another metric, or a model with square inputs"
            )
