"""References of a curve over the layers: metrics with the name of another one and a suffix."""

from __future__ import annotations

from collections.abc import Callable

from teachmatters.reports.binding import literal
from teachmatters.reports.options import Options
from teachmatters.store.reader import Rows

# The entry in legends for the metrics with each suffix.
SUFFIXES = {"-chance": "chance", "-still": "first mask, not moved"}
KEY = ("model", "dataset", "split", "setting", "metric", "layer")

_VALUES = f"SELECT {', '.join(KEY)}, value FROM results WHERE metric IN ({{names}}) AND head IS NULL"


def enrich(data: Rows, options: Options, ask: Callable[[str], Rows]) -> Rows:
    """Return the rows with columns ``reference`` and ``reference_name``; unchanged if no reference was measured."""
    held = {
        f"{metric}{suffix}": metric
        for metric in options.metrics
        for suffix in SUFFIXES
        if f"{metric}{suffix}" in options.facts
    }
    if not held:
        return data
    found: dict[tuple[object, ...], tuple[float, str]] = {}
    for *place, name, layer, value in ask(_VALUES.format(names=literal(tuple(held)))).rows:
        found[*place, held[name], layer] = value, SUFFIXES[name.removeprefix(held[name])]
    at = [data.columns.index(name) for name in KEY]
    known = [found.get(tuple(row[place] for place in at)) for row in data.rows]
    if not any(known):
        return data
    rows = [(*row, *(reference or (None, None))) for row, reference in zip(data.rows, known, strict=True)]
    return Rows([*data.columns, "reference", "reference_name"], rows, data.truncated)


def is_drawn_with(metric: str, others: set[str]) -> bool:
    """Return True if a metric is the reference of one of the others, and so a line of its panel.

    >>> is_drawn_with("knn-top1-chance", {"knn-top1"}), is_drawn_with("knn-top1-chance", {"knn-top1-chance"})
    (True, False)
    """
    return any(metric.endswith(suffix) and metric.removesuffix(suffix) in others for suffix in SUFFIXES)
