"""The map of features of an item that was read in windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from teachmatters.api import Row


def merge_windows(rows: Sequence[Row], features: Sequence[Tensor]) -> Tensor:
    """Merge the patches of all windows of an item into its grid.

    Args:
        rows: the rows of the item, every window once.
        features: for each row, (patches of the window, D), prefix tokens dropped.

    Returns:
        (h, w, D), the item's grid, in the features' dtype and on their device.

    Raises:
        ValueError: the windows do not cover each patch once.

    >>> row = Row(index=0, grid=(2, 1), patches=None, annotations={})
    >>> merge_windows([row], [torch.tensor([[1.0], [2.0]])]).shape
    torch.Size([2, 1, 1])
    """
    height, width = rows[0].grid
    if rows[0].patches is None:
        return features[0].reshape(height, width, -1)
    where = np.concatenate([row.patches for row in rows if row.patches is not None])
    kept = np.flatnonzero(where >= 0)
    if not np.array_equal(np.sort(where[kept]), np.arange(height * width)):
        raise ValueError(f"{len(rows)} of {rows[0].windows} windows do not cover the {height} x {width} patches once")
    source = np.empty_like(kept)
    source[where[kept]] = kept
    picked = torch.from_numpy(source).to(features[0].device)
    return torch.cat(list(features)).index_select(0, picked).reshape(height, width, -1)
