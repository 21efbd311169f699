"""Read from a file's positions the image size that its network was trained for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

# Excludes C-RADIO's table, which is cropped to the size of each network.
TABLE = re.compile(
    r"(?<!patch_generator)(^|[./_])(pos_embed|pos(ition|itional)?_embeddings?|pos_embedding)(\.weight)?$"
)
RELATIVE = re.compile(r"relative_position_bias_table$")


def grid_side(state: Mapping[str, Any], network: Any) -> int:
    """Return the number of rows of patches in a file's position table.

    Args:
        state: parameters in any layout, from one network.
        network: of that architecture, at any size; shows which tokens before the patches have positions.

    Returns:
        0 if there is no table, as with rotary positions, or if its grid is not square.
    """
    own: dict[str, Tensor] = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    table = next((value for name, value in own.items() if TABLE.search(name)), None)
    if table is not None and table.ndim in (2, 3):
        before = _positions_before(network)
        # DINOv2 with registers has a position for the class token, which timm adds to that token.
        return next((side for n in (before, before + 1) if (side := _root(table.shape[-2] - n))), 0)
    relative = next((value for name, value in own.items() if RELATIVE.search(name)), None)
    # 2 x side - 1 offsets in each direction, and three for the class token
    return (_root(len(relative) - 3) + 1) // 2 if relative is not None else 0


def _positions_before(network: Any) -> int:
    table, embedding = getattr(network, "pos_embed", None), getattr(network, "patch_embed", None)
    if table is None or embedding is None or table.ndim != 3:
        return 1
    return int(table.shape[1] - math.prod(embedding.grid_size))


def _root(number: int) -> int:
    """Return the exact square root, or 0."""
    side = math.isqrt(max(number, 0))
    return side if side * side == number else 0
