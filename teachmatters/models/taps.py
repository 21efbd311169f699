"""Deliver the taps of one block in order, through hooks that are removed after the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, get_args

from torch import Tensor, nn

from teachmatters.api import Sink, Tap
from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.attention import AttentionCapture

ORDER: tuple[Tap, ...] = get_args(Tap)


class Layer:
    """The requested taps of one block during one forward pass, given to the sink in the order of ``Tap``.

    A tensor that is computed too early (a block's input, the attention of a post-norm block) waits for its turn.
    """

    def __init__(self, number: int, taps: frozenset[Tap], sink: Sink) -> None:
        self.number = number
        self._sink = sink
        self._due = [tap for tap in ORDER if tap in taps]
        self._waiting: dict[Tap, Tensor] = {}
        self._skip: Tensor | None = None

    def offer(self, tap: Tap, value: Tensor) -> None:
        """Take the tensor of a tap as soon as it is computed."""
        if tap not in self._due:
            return
        self._waiting[tap] = value
        while self._due and self._due[0] in self._waiting:
            due = self._due.pop(0)
            self._sink(self.number, due, self._waiting.pop(due))

    def enter(self, skip: Tensor) -> None:
        """Start the block with its input."""
        self._skip = skip
        self.offer("attn_skip", skip)

    def attn_branch(self, branch: Tensor) -> None:
        """Take the attention branch; skip and branch sum to the MLP's skip."""
        skip, self._skip = self._skip, None
        self.offer("attn_branch", branch)
        if "mlp_skip" in self._due and skip is not None and skip.shape == branch.shape:
            self.offer("mlp_skip", skip + branch)

    def leave(self, block: Tensor) -> None:
        """Finish the block.

        Raises:
            TeachMattersError: a requested tap was never computed.
        """
        self._skip = None  # otherwise the input of every block stays in memory
        self.offer("block", block)
        if self._due:
            raise TeachMattersError(
                f"block {self.number} never computed its {listing(self._due)}: its blocks are not those of a plain "
                "vision transformer and cannot be read; choose another model"
            )


def attach(layer: Layer, block: nn.Module, taps: frozenset[Tap], hooks: ExitStack) -> None:
    """Register only the hooks that the taps need.

    Args:
        layer: receives the tensors.
        block: one of layout.blocks_of.
        taps: the requested ones.
        hooks: closing it removes every hook.
    """
    if taps & {"attn_skip", "mlp_skip"}:
        _before(block, layer.enter, hooks)
    if "norm1" in taps:
        _after(block.norm1, lambda value: layer.offer("norm1", value), hooks)
    if taps & {"attn_branch", "mlp_skip"}:
        _after(block.drop_path1, layer.attn_branch, hooks)
    if "norm2" in taps:
        _after(block.norm2, lambda value: layer.offer("norm2", value), hooks)
    if "mlp_hidden" in taps:
        _before(block.mlp.fc2, lambda value: layer.offer("mlp_hidden", value), hooks)  # type: ignore[union-attr]
    if "mlp_branch" in taps:
        _after(block.drop_path2, lambda value: layer.offer("mlp_branch", value), hooks)
    _after(block, layer.leave, hooks)


def attach_capture(capture: AttentionCapture, number: int, block: nn.Module, hooks: ExitStack) -> None:
    """Notify the capture when a block's attention begins and ends, and make the block use the fused call."""
    _before(block.attn, lambda _: capture.enter_block(number), hooks)
    _after(block.attn, lambda _: capture.leave_block(), hooks)
    for module in block.attn.modules():  # type: ignore[union-attr]  # checked by layout.blocks_of
        if getattr(module, "fused_attn", True) is False:
            hooks.callback(setattr, module, "fused_attn", False)
            module.fused_attn = True


def _before(module: Any, then: Callable[[Tensor], None], hooks: ExitStack) -> None:
    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        then(inputs[0])

    hooks.callback(module.register_forward_pre_hook(hook).remove)


def _after(module: Any, then: Callable[[Tensor], None], hooks: ExitStack) -> None:
    def hook(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        then(output)

    hooks.callback(module.register_forward_hook(hook).remove)
