"""Read a block's attention while the network computes it.

A function mode replaces ``scaled_dot_product_attention`` by an explicit softmax. Rotary positions, query and key norms,
relative biases and grouped queries have then already been applied, so no family needs special code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)
from torch.overrides import TorchFunctionMode

from teachmatters.errors import TeachMattersError

# A CPU computes a batch with more bytes of attention image by image, so that each is in a cache when it is read again.
CACHE = 2_000_000


def explicit_attention(
    query: Tensor,
    key: Tensor,
    *,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Compute the attention that ``scaled_dot_product_attention`` would use, in float32.

    Args:
        query: (..., L, C).
        key: (..., S, C).
        attn_mask: boolean (True keeps the entry) or an additive bias, broadcast to (..., L, S).
        is_causal: mask all keys after query i.
        scale: the scale of the dot products, 1 / sqrt(C) by default.
        out: float32 (..., L, S), overwritten by the result; None: new memory.

    Returns:
        (..., L, S); rows sum to 1.

    >>> explicit_attention(torch.zeros(1, 2, 4), torch.ones(1, 2, 4), is_causal=True)
    tensor([[[1.0000, 0.0000],
             [0.5000, 0.5000]]])
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = torch.matmul(query.float() * scale, key.float().transpose(-2, -1), out=out)
    if is_causal:
        visible = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores.masked_fill_(~visible, -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores.masked_fill_(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores += attn_mask
    return torch.softmax(scores, dim=-1, out=scores)  # in place: a second map is as large as all other memory


def attend_by_images(query: Tensor, key: Tensor, value: Tensor, *, scale: float, out: Tensor) -> Tensor:
    """Compute the attention without mask and its output, image by image.

    Args:
        query: (B, H, L, C).
        key: (B, H, S, C).
        value: (B, H, S, D).
        scale: of the dot products.
        out: contiguous float32 (B, H, L, S), overwritten by the attention.

    Returns:
        the output (B, H, L, D), in the dtype of the values.
    """
    # In the order of fused attention, so that joining the heads copies nothing.
    output = value.new_empty(len(query), query.shape[2], query.shape[1], value.shape[-1])
    for image, scores in enumerate(out.unbind()):
        keys = key[image].float().transpose(1, 2)
        torch.baddbmm(scores, query[image].float(), keys, beta=0, alpha=scale, out=scores)  # beta: ignore what it holds
        attention = torch.softmax(scores, dim=-1, out=scores)
        output[image].copy_((attention.to(value.dtype) @ value[image]).transpose(0, 1))
    return output.transpose(1, 2)


class AttentionCapture(TorchFunctionMode):
    """Function mode that hands over the attention of the block marked as running; other calls are unchanged.

    Args:
        take: called with a block's attention (B, H, L, S), float32, as soon as it exists. The next block overwrites it.
    """

    def __init__(self, take: Callable[[int, Tensor], None]) -> None:
        super().__init__()
        self._take = take
        self._layer: int | None = None
        self._taken = 0
        self._memory: Tensor | None = None

    def enter_block(self, layer: int) -> None:
        """Mark the start of this layer's attention."""
        self._layer, self._taken = layer, 0

    def leave_block(self) -> None:
        """Mark the end of the layer's attention.

        Raises:
            TeachMattersError: the layer did not compute exactly one softmax.
        """
        layer, self._layer = self._layer, None
        if self._taken != 1:
            raise TeachMattersError(
                f"block {layer} computed {self._taken} attention maps through scaled_dot_product_attention, and one is "
                "needed: this kind of attention cannot be read; choose metrics that need no attention, or another model"
            )

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention and self._layer is not None:
            return self._answer(self._layer, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _answer(  # noqa: PLR0913  (torch's own signature)
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,  # networks run in eval mode, where it is 0
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
        attention, scale = self._memory_for(query, key), query.shape[-1] ** -0.5 if scale is None else scale
        large = query.device.type == "cpu" and attention.nbytes > CACHE
        if large and attn_mask is None and not is_causal:
            output = attend_by_images(query, key, value, scale=scale, out=attention)
        else:
            explicit_attention(query, key, attn_mask=attn_mask, is_causal=is_causal, scale=scale, out=attention)
            output = attention.to(value.dtype) @ value
        self._taken += 1
        self._take(layer, attention.view_as(attention))
        return output

    def _memory_for(self, query: Tensor, key: Tensor) -> Tensor:
        """Return memory for a map. All blocks share it, because the system takes as long to provide it as a softmax."""
        shape = (*query.shape[:-1], key.shape[-2])
        if self._memory is None or self._memory.shape != shape:
            self._memory = torch.empty(shape, device=query.device)
        return self._memory
