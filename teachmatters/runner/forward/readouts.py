"""Derives the vectors of readouts from the tokens of a tap."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from teachmatters.api import ModelAdapter, Readout


def vectors(adapter: ModelAdapter, tokens: Tensor, readouts: Collection[Readout]) -> Iterator[tuple[Readout, Tensor]]:
    """Yield the vectors of some readouts of one tap.

    Args:
        adapter: the model that computed the tokens.
        tokens: (B, T, C), the tap of one layer.
        readouts: the readouts of this tap; the model lacks none of them.

    Yields:
        each readout with its vectors, (B, C), (B, 2 C) or (B, T, C), see ``Feature``.
    """
    info = adapter.info
    plain = [readout for readout in readouts if readout.norm == "none"]
    final = [readout for readout in readouts if readout.norm == "final"]
    for readout in plain:
        yield readout, _joined([_vectors(part, tokens, info.prefix) for part in readout.parts(info)])
    if final and info.last_norm == "tokens":
        normed = adapter.last_norm(tokens)
        for readout in final:
            yield readout, _joined([_vectors(part, normed, info.prefix) for part in readout.parts(info)])
    elif final:
        for readout in final:
            parts = [_vectors(part, tokens, info.prefix) for part in readout.parts(info)]
            yield readout, _joined([adapter.last_norm(part) for part in parts])


def _vectors(part: Readout, tokens: Tensor, prefix: int) -> Tensor:
    if part.feature == "tokens":
        return tokens
    return tokens[:, 0] if part.feature == "cls" else tokens[:, prefix:].mean(dim=1, dtype=torch.float32)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat([part.float() for part in parts], dim=-1)
