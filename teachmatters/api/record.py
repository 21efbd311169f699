"""The result of an analysis: numbers, arrays and notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OF_UNITS = ("unit:", "pseudo:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One number. Layers and heads count from 1; 0 and the empty string mean "none".

    Attributes:
        metric: one of the metrics of the analysis.
        layer: the layer, or the first of a pair of layers.
        value: a finite number.
        head: the head, or 0 for a number of the whole layer.
        other_layer: the second layer of a pair, or 0.
        category: the restriction of the number (``k=20``, a class, a video), or empty for none.
        protocol: one of the metric's protocols.
        std: the standard deviation (n - 1) over the units, or None.
        n: the number of units, or None.
    """

    metric: str
    layer: int
    value: float
    head: int = 0
    other_layer: int = 0
    category: str = ""
    protocol: str = ""
    std: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMap:
    """One array of one layer.

    Attributes:
        name: a metric of level ``map``; ``unit:<metric>`` for the per-unit scores of a metric; or ``pseudo:<metric>``
            for per-unit pseudo-values, whose mean is the value of a metric that is no mean over units.
        layer: the layer, from 1.
        axes: the name of each axis of the array, such as ``("head", "y", "x")``.
        array: the values.
        units: for ``unit:`` and ``pseudo:``, the names along axis ``unit``, the same order for all layers and models.
    """

    name: str
    layer: int
    axes: tuple[str, ...]
    array: NDArray[np.generic]
    units: tuple[str, ...] | None = None

    @property
    def metric(self) -> str:
        """Return the metric that the array belongs to."""
        return self.name.partition(":")[2] if self.of_units else self.name

    @property
    def of_units(self) -> bool:
        """Return whether the array holds one number per unit."""
        return self.name.startswith(OF_UNITS)


@dataclass(slots=True)
class Result:
    """The result of one analysis in one run.

    Attributes:
        records: the numbers.
        maps: the arrays.
        notes: JSON values by name that are printed once and kept with the run (left-out values, empty masks).
    """

    records: list[Record] = field(default_factory=list)
    maps: list[StoredMap] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
