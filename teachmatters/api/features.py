"""The vectors of all images, for analyses that need them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.api.dataset import Role
from teachmatters.api.readout import Readout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NONE = "no features were collected: name the readouts in InputSpec.collect"


class Features:
    """The features of ``InputSpec.collect``, from ``Analysis.compute`` on. This base class has none.

    The features may exceed memory: read them layer by layer, and a large role in blocks. The cache stores their
    difference from the mean in half precision.
    """

    def index(self, role: Role) -> NDArray[np.int64]:
        """Return the positions in ``Context.items[role]`` of the images that could be read, ascending.

        Raises:
            LookupError: the analysis collects nothing.
        """
        raise LookupError(_NONE)

    def read(
        self, role: Role, readout: Readout, layer: int, start: int = 0, stop: int | None = None
    ) -> NDArray[np.float32]:
        """Return the vectors (n, C) of one layer (from 1) for the images ``index(role)[start:stop]``.

        Raises:
            LookupError: the analysis does not collect this readout, or the model lacks it.
            TeachMattersError: the features cannot be read.
        """
        raise LookupError(_NONE)
