"""How a file's weights were trained, as far as its layout tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from teachmatters.models.recipes import Layout

TRAINED: Mapping[Layout, str] = {
    "moco": "contrast",
    "clip": "image-text contrast",
    "augreg": "labels",
    "beit": "masked token prediction",
    "beit-hf": "masked token prediction",
    "mae": "masked reconstruction",
}
"""Layouts that only one kind of training leaves behind. Timm's is anybody's."""

CLASSIFIERS = ("head.", "classifier.")


def supervision_told(layout: Layout, state: Mapping[str, Any]) -> str:
    """Return how the weights were trained, or nothing where the file does not tell.

    Args:
        layout: of the file.
        state: its parameters in timm's naming, with whatever else was in the file.

    >>> supervision_told("moco", {}), supervision_told("timm", {})
    ('contrast', '')
    >>> supervision_told("beit", {"head.weight": 0})  # fine-tuned with labels
    ''
    """
    if layout.startswith("beit") and any(key.startswith(CLASSIFIERS) for key in state):
        return ""
    if layout in ("timm", "mae") and not any(key.startswith("decoder") for key in state):
        # Without the decoder anybody's file may look like this; only MAE's positions tell.
        return TRAINED["mae"] if _has_mae_positions(state.get("pos_embed")) else ""
    return TRAINED.get(layout, "")


def _has_mae_positions(positions: object) -> bool:
    """Return whether a table (1, 1 + n x n, D) of positions is MAE's, which its training does not change.

    Sines and cosines, first of the column, then of the row; zeros for the class token.
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
