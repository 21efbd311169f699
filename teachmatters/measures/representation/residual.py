"""The norms of the skip connection and of the branch."""

from __future__ import annotations

from torch import Tensor

from teachmatters.measures.moments import accumulator


def squared_norms(tokens: Tensor, prefix: int, class_token: bool) -> dict[str, Tensor]:
    """Compute squared Frobenius norms over all tokens, over the class token, and over the spatial tokens.

    Args:
        tokens: (B, T, D), any float.
        prefix: the number of tokens before the first patch.
        class_token: whether the first token is a class token.

    Returns:
        ``all``, ``spatial`` and, where there is a class token, ``cls``: (B,) each, float64 where the device has it.

    >>> {name: norm.tolist() for name, norm in squared_norms(Tensor([[[1, 0], [2, 0], [0, 2]]]), 1, True).items()}
    {'all': [9.0], 'spatial': [8.0], 'cls': [1.0]}
    """
    squares = tokens.float().square().sum(dim=-1).to(accumulator(tokens.device))
    norms = {"all": squares.sum(dim=1), "spatial": squares[:, prefix:].sum(dim=1)}
    return norms | {"cls": squares[:, 0]} if class_token else norms
