"""Patches whose token has an unusually large norm, and the attention that they receive."""

from __future__ import annotations

from torch import Tensor
from torch.linalg import vector_norm

from teachmatters.measures.moments import accumulator


def artefacts(tokens: Tensor, factor: float) -> Tensor:
    """Find the spatial tokens whose norm exceeds a multiple of the median.

    Args:
        tokens: (B, N, D), the spatial tokens of a block's output.
        factor: a token is an artefact when its L2 norm exceeds ``factor`` x the median norm of its image.

    Returns:
        bool (B, N).

    Source:
        Darcet et al. 2024, "Vision transformers need registers".

    >>> import torch
    >>> artefacts(torch.tensor([[[1.0], [1.0], [1.0], [9.0]]]), factor=3).tolist()
    [[False, False, False, True]]
    """
    lengths = token_norms(tokens)
    # quantile gives the mean of the middle two; torch.median gives the lower of them.
    return lengths > factor * lengths.quantile(0.5, dim=-1, keepdim=True)


def token_norms(tokens: Tensor) -> Tensor:
    """Compute the L2 norm of every token.

    Args:
        tokens: (..., D).

    Returns:
        (...), in float64 where the device has it.

    >>> import torch
    >>> token_norms(torch.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [5.0, 1.0]
    """
    norms: Tensor = vector_norm(tokens, dim=-1, dtype=accumulator(tokens.device))
    return norms


def artefact_mass(attention: Tensor, where: Tensor) -> Tensor:
    """Compute the attention that spatial queries give to chosen patches.

    Args:
        attention: (B, H, T, T) softmax output, rows are queries; the N patches come last.
        where: bool (B, N), the chosen patches.

    Returns:
        (B,), the mean over heads and spatial queries of a row's attention on them, between 0 and 1.

    >>> import torch
    >>> attention = torch.tensor([0.5, 0.5, 0, 0]).expand(1, 1, 4, 4)
    >>> artefact_mass(attention, torch.tensor([[True, False, False]])).item()
    0.5
    """
    patches = where.shape[-1]
    received = attention[..., -patches:, -patches:].mean(dim=(1, 2))
    wide = accumulator(attention.device)
    return (received.to(wide) * where.to(wide)).sum(dim=-1)
