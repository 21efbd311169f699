"""The table at the end of ``tm analyze``: one row per metric, one column per model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teachmatters.reports.binding import literal
from teachmatters.reports.catalog import TIMEOUT
from teachmatters.reports.cell_rows import Cell
from teachmatters.reports.tables import frames
from teachmatters.store.location import StoreLocation
from teachmatters.store.public import storable
from teachmatters.store.reader import query

MOST = 36  # rows: with the heading and the notes, they fit on two screens

_SQL = """SELECT model, dataset, split, setting, analysis, metric, protocol, layer, value, unit, higher_is_better
FROM results
WHERE model IN ({models}) AND dataset IN ({data}) AND metric IN ({metrics}) AND layer IS NOT NULL AND head IS NULL
    AND category IS NULL AND other_layer IS NULL AND other_model IS NULL
ORDER BY analysis, metric, dataset, split, setting, protocol NULLS FIRST, model, layer"""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BestValues:
    """A table: the best layer of metrics with a direction, the first and last layer of the others.

    Attributes:
        columns, rows: the columns and rows of the table.
        bold: positions (row, column), from 0, of the best model of each row.
        omitted: metrics that did not fit.
    """

    columns: list[str]
    rows: list[list[str]]
    bold: set[tuple[int, int]]
    omitted: list[str]


def best_values(path: StoreLocation, cells: Mapping[Cell, Collection[str]]) -> BestValues:
    """Return the table of the given metrics of each cell; metrics without one value per layer have no row."""
    models = list(dict.fromkeys(cell.model for cell in cells))
    tasks = _tasks(path, cells)
    kept = dict(list(tasks.items())[:MOST])
    if len(tasks) > MOST:  # a direction says what a layer is best at
        directed = [name for name, by_model in tasks.items() if _directed(by_model)]
        kept = {name: tasks[name] for name in [*directed, *(name for name in tasks if name not in directed)][:MOST]}
    rows = [[name, *(_cell(by_model.get(model, ())) for model in models)] for name, by_model in kept.items()]
    bold = {(nth, column) for nth, by_model in enumerate(kept.values()) for column in _winners(by_model, models)}
    return BestValues(["metric", *models], rows, bold, [name for name in tasks if name not in kept])


def _tasks(path: StoreLocation, cells: Mapping[Cell, Collection[str]]) -> dict[str, dict[str, list[Row]]]:
    """Return, by what was measured and by model, the row of each layer."""
    columns = {
        "models": {cell.model for cell in cells},
        "data": {cell.dataset for cell in cells},
        "metrics": {metric for metrics in cells.values() for metric in metrics},
    }
    literals = {name: literal(tuple(sorted(map(storable, values)))) for name, values in columns.items()}
    found = query(path, _SQL.format(**literals), timeout=TIMEOUT)
    rows = [row for row in (dict(zip(found.columns, values, strict=True)) for values in found.rows)
            if row["metric"] in cells.get(_cell_of(row), ())]  # fmt: skip
    tasks: dict[str, dict[str, list[Row]]] = {}
    for name, row in zip(frames.tasks(rows), rows, strict=True):
        tasks.setdefault(name, {}).setdefault(row["model"], []).append(row)
    return tasks


def _cell_of(row: Row) -> Cell:
    return Cell(row["model"], "", row["dataset"], row["analysis"], row["setting"])


def _directed(by_model: Mapping[str, Sequence[Row]]) -> bool:
    return any(rows[0]["higher_is_better"] is not None for rows in by_model.values())


def _best(rows: Iterable[Row]) -> Row:
    """Return the best layer; of equal ones the lowest."""
    return min(rows, key=lambda row: (-row["value"] if row["higher_is_better"] else row["value"], row["layer"]))


def _cell(rows: Sequence[Row]) -> str:
    """Return ``score (layer)``, or ``first to last`` for a metric without direction; empty without rows."""
    if not rows:
        return ""
    if rows[0]["higher_is_better"] is not None:
        best = _best(rows)
        return f"{frames.number(best['value'], best['unit'] or '')} ({best['layer']})"
    ends = [rows[0], rows[-1]] if len(rows) > 1 else rows
    return " to ".join(frames.number(row["value"], row["unit"] or "") for row in ends)


def _winners(by_model: Mapping[str, Sequence[Row]], models: Sequence[str]) -> list[int]:
    """Return the columns of the best models of a row with a direction and several models."""
    if not _directed(by_model) or len(by_model) < 2:
        return []
    bests = {model: _best(rows) for model, rows in by_model.items()}
    top = _best(bests.values())["value"]
    return [column for column, model in enumerate(models, start=1) if model in bests and bests[model]["value"] == top]
