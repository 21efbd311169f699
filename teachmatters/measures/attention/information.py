"""The information that queries and keys of an attention map share."""

from __future__ import annotations

import torch
from torch import Tensor

from teachmatters.measures.attention.attention import TINY
from teachmatters.measures.moments import accumulator

# An entropy below this is 0 up to rounding.
ROUNDING = 1e-9


def row_information(entropy: Tensor, mass: Tensor, factors: Tensor) -> Tensor:
    """Compute the sum of A' log A' over the rows of some queries; it adds up over blocks of queries.

    Args:
        entropy: (B, H, Q), minus the sum of A log A over the patches, from row_entropy.
        mass: (B, H, Q), the sum of A over the patches.
        factors: (B, H, Q), which renormalise the rows: A' is their product with A; 0 or 1 for a row without mass.

    Returns:
        (B, H), in float64 where the device has it, at most 0: minus the sum of the rows' entropies in nats.

    >>> ones = torch.ones(1, 1, 2)
    >>> entropy = -4 * 0.2 * torch.tensor(0.2).log() * ones
    >>> round(row_information(entropy, 0.8 * ones, 1.25 * ones).exp().item(), 4)  # (1 / 4)^2
    0.0625
    """
    wide = accumulator(entropy.device)
    shifted = mass * factors.to(wide) * factors.clamp_min(TINY).log()
    return (shifted - entropy.to(wide) * factors).sum(dim=-1)


def normalised_information(information: Tensor, received: Tensor) -> Tensor:
    """Compute the mutual information of query and key, as a share of the geometric mean of their entropies.

    All queries count the same, p(q) = 1 / N. The value is 0 when all queries have the same row, and 1 when each query
    attends to another patch alone.

    Args:
        information: (B, H), from row_information, summed over all N queries.
        received: (B, H, N), the sum over queries of A' for each key.

    Returns:
        (B, H), between 0 and 1; 0 where all attention is on one key; NaN where a query has a row without mass.

    Source:
        Park et al. 2023, "What do self-supervised vision transformers learn?".

    >>> normalised_information(torch.zeros(1, 1), torch.ones(1, 1, 4)).item()  # every query attends to another patch
    1.0
    """
    wide, patches = accumulator(received.device), received.shape[-1]
    keys = received.to(wide) / patches
    of_keys = -(keys.clamp_min(TINY).log() * keys).sum(dim=-1)
    shared = of_keys + information.to(wide) / patches
    scale = (of_keys * torch.tensor(float(patches), dtype=wide, device=keys.device).log()).sqrt()
    found = torch.where(scale > ROUNDING, shared / scale.clamp_min(ROUNDING), 0.0).clamp(0, 1)
    return found.masked_fill(keys.sum(dim=-1) < 1 - 0.5 / patches, torch.nan)
