"""The rows of one cell in the view ``results``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from teachmatters.reports.binding import literal
from teachmatters.reports.catalog import TIMEOUT
from teachmatters.store.location import StoreLocation
from teachmatters.store.public import storable
from teachmatters.store.reader import Rows, query

_SQL = """SELECT * FROM results
WHERE model = {model} AND coalesce(other_model, '') = {other_model} AND dataset = {dataset}
    AND analysis = {analysis} AND setting = {setting} AND metric IN ({metrics})
ORDER BY metric, protocol NULLS FIRST, layer NULLS FIRST, head NULLS FIRST, other_layer NULLS FIRST,
    category NULLS FIRST"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One analysis of one model, or pair of models, on one data set; without a second model ``other_model`` is ''."""

    model: str
    other_model: str
    dataset: str
    analysis: str
    setting: str


def read_cell(path: StoreLocation, cell: Cell, metrics: Iterable[str]) -> Rows:
    """Return the rows of the given metrics of a cell, sorted by metric and layer."""
    values = {name: literal(storable(value)) for name, value in asdict(cell).items()}
    return query(path, _SQL.format(**values, metrics=literal(tuple(sorted(metrics)))), timeout=TIMEOUT)
