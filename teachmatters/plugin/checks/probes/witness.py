"""Record the attention of a plain forward pass by watching PyTorch's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)
from torch.overrides import TorchFunctionMode

from teachmatters.models.attention import explicit_attention

SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax, torch.nn.functional.softmax}


class Witness(TorchFunctionMode):
    """A recorder of every map (B, H, T, T) that a softmax or fused attention computes; it changes nothing.

    Args:
        tokens: the number of tokens, T.
    """

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.maps: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        words = dict(kwargs or {})
        answer = func(*args, **words)
        if func is F.scaled_dot_product_attention:
            self._note(_of_fused(*args, **words))
        elif func in SOFTMAX and isinstance(answer, Tensor):
            self._note(answer.float())
        return answer

    def _note(self, attention: Tensor) -> None:
        if attention.ndim == 4 and attention.shape[-2:] == (self.tokens, self.tokens):
            self.maps.append(attention.clone())


def _of_fused(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **words: Any) -> Tensor:
    """Compute the map of a call of ``scaled_dot_product_attention``."""
    named = dict(zip(("attn_mask", "dropout_p", "is_causal"), rest, strict=False)) | words
    if named.get("enable_gqa"):
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    kept = {name: named[name] for name in ("attn_mask", "is_causal", "scale") if name in named}
    return explicit_attention(query, key, **kept)
