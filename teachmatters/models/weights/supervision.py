"""Read the supervision of a file's weights from its layout."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from teachmatters.models.weights.matching import Match
from teachmatters.models.weights.recognise import family_of

# Families with a single kind of training.
TRAINED: Mapping[str, str] = {
    "moco": "contrast",
    "clip": "image-text contrast",
    "supervised": "labels",
    "beit": "masked token prediction",
    "mae": "masked reconstruction",
}

CLASSIFIERS = ("head.", "classifier.")


def supervision_told(match: Match) -> str:
    """Return the supervision of the weights, or an empty text if the file does not show it.

    Args:
        match: the network found in the file.
    """
    family = family_of(match.place, match.layout)
    if family == "beit" and any(name.rpartition("beit.")[2].startswith(CLASSIFIERS) for name in match.place.beside):
        return ""  # fine-tuned with labels
    if not family and match.layout == "timm" and _has_mae_positions(match.state.get("pos_embed")):
        return TRAINED["mae"]  # many files have this layout; only MAE's positions are evidence
    return TRAINED.get(family, "")


def _has_mae_positions(positions: object) -> bool:
    """Return whether a table (1, 1 + n x n, D) of positions is MAE's, which training does not change.

    It holds sines and cosines of the column, then of the row, and zeros for the class token.
    """
    if not isinstance(positions, Tensor) or positions.ndim != 3:
        return False
    side, quarter = math.isqrt(positions.shape[1]), positions.shape[2] // 4
    if positions.shape[1:] != (side * side + 1, 4 * quarter):
        return False
    angles = torch.arange(side)[:, None] / 10_000 ** (torch.arange(quarter, dtype=torch.float64) / quarter)
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    table = torch.cat([line.repeat(side, 1), line.repeat_interleave(side, dim=0)], dim=1)
    # The file may be in half precision.
    return torch.allclose(positions[0, 1:].double(), table, atol=1e-3) and not positions[0, 0].any()
