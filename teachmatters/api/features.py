"""Vectors of all images, there together when an analysis computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.api.dataset import Role
from teachmatters.api.model import Tap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NONE = "nothing was collected: an analysis names in InputSpec.collect what it wants to read here"


class Features:
    """What ``InputSpec.collect`` asked for, from ``Analysis.compute`` on; by itself, the features of nothing.

    They may be many more than fit into memory: read them layer by layer, and a large role in blocks. They come from
    the cache in half precision of what they differ by from their mean.
    """

    def index(self, role: Role) -> NDArray[np.int64]:
        """The positions in ``Context.items[role]`` of the images that could be read, ascending.

        Raises:
            LookupError: the analysis collects nothing.
        """
        raise LookupError(_NONE)

    def read(self, role: Role, tap: Tap, layer: int, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """The vectors (n, D) of one layer (from 1) of the images ``index(role)[start:stop]``; all by default.

        Raises:
            LookupError: the analysis does not collect this tap, or the model has none.
            TeachMattersError: they cannot be read.
        """
        raise LookupError(_NONE)
