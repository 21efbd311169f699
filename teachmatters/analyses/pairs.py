"""The records of a matrix with a number for each pair of layers."""

from __future__ import annotations

from torch import Tensor

from teachmatters.api import Record, Result
from teachmatters.errors import listing

UNDEFINED = "no number where nothing varies from image to image"


def record_pairs(
    result: Result, metric: str, values: Tensor, n: int, *, std: Tensor | None = None, category: str = ""
) -> None:
    """Add a record for each pair of layers with a number, and a note of the layers without one (NaN).

    Args:
        result: the records are added to it.
        metric: the metric of all records.
        values: (L1, L2).
        n: the number of units.
        std: (L1, L2), the deviation over units.
        category: the category of all records.
    """
    gone = values.isnan()
    rows, columns = gone.all(dim=1).nonzero()[:, 0] + 1, gone.all(dim=0).nonzero()[:, 0] + 1
    told = {
        name: listing(map(str, layers.tolist()), most=99)
        for name, layers in (("layers", rows), ("other layers", columns))
        if len(layers)
    }
    if told:
        result.notes.setdefault(UNDEFINED, {})[f"{metric} {category}".strip()] = told
    result.records += [
        Record(
            metric=metric,
            layer=layer + 1,
            other_layer=other + 1,
            category=category,
            value=float(values[layer, other]),
            std=None if std is None else float(std[layer, other]),
            n=n,
        )
        for layer, other in (~gone).nonzero().tolist()
    ]
