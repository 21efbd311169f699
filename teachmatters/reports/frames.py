"""From the rows of a query to the wide tables that people read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.reports import style
from teachmatters.reports.options import Options

if TYPE_CHECKING:
    import pandas as pd

_PARTS = ("metric", "protocol", "dataset", "split")
_WHOLE = ("layer", "other_layer", "head", "depth", "n")


def number(value: float | None, unit: str = "") -> str:
    """A number as people read it: a percentage to one decimal, everything else to four significant digits.

    >>> number(71.2345, "percent"), number(0.43219), number(12345.6), number(1.5e-7), number(0.0), number(None)
    ('71.2', '0.4322', '12346', '1.500e-07', '0', '')
    """
    if value is None or math.isnan(value):
        return ""
    if unit == "percent":
        return f"{value:.1f}"
    if value == 0 or math.isinf(value):
        return f"{value:g}".lstrip("-") if value == 0 else f"{value:g}"
    power = math.floor(math.log10(abs(value)))
    return f"{value:.3e}" if power < -4 else f"{value:.{max(0, 3 - power)}f}"


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts: None where there is nothing, and whole numbers whole again."""
    plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    every = [{str(key): value for key, value in row.items()} for row in plain]
    for row in every:
        row.update({name: int(row[name]) for name in _WHOLE if row.get(name) is not None})
    return every


def wide(rows: pd.DataFrame, options: Options, index: Sequence[str]) -> pd.DataFrame:
    """One row for each value of ``index``, one column for each model (and metric, data set, ... where several)."""
    import pandas as pd

    every = records(rows)
    labels = column_labels(every)
    index = [name for name in index if any(row[name] is not None for row in every)]
    cells: dict[tuple[Any, ...], dict[str, str]] = {}
    for row, label in zip(every, labels, strict=True):
        place = tuple(row[name] for name in index)
        cells.setdefault(place, {})[label] = number(row["value"], row["unit"] or "")
    places = sorted(cells, key=lambda place: [(value is not None, value) for value in place])
    order = list(dict.fromkeys(label for _, label in sorted(_ranked(every, labels, options))))
    head = pd.DataFrame([["" if v is None else str(v) for v in place] for place in places], columns=list(index))
    body = pd.DataFrame([[cells[place].get(label, "") for label in order] for place in places], columns=order)
    table = pd.concat([head, body], axis=1)
    table.attrs["labels"] = len(index)
    return table


def column_labels(every: list[dict[str, Any]]) -> list[str]:
    """Each row's model, and of the rest whatever differs between the rows."""
    differ = [part for part in _PARTS if len({row.get(part) for row in every}) > 1]
    versus = [f" vs {row['other_model']}" if row.get("other_model") else "" for row in every]
    return [" / ".join([row["model"] + other, *parts(row, differ)]) for row, other in zip(every, versus, strict=True)]


def parts(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """What a heading says of some columns: nothing of an empty one, nor of the only split there is."""
    return [str(row[name]) for name in names if row[name] and (name, row[name]) != ("split", "all")]


def rounded(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows themselves, as texts: the table of a report that has none of its own."""
    import pandas as pd

    texts = [
        {key: number(value, row.get("unit") or "") if isinstance(value, float) else _text(value)
         for key, value in row.items()}
        for row in records(rows)
    ]  # fmt: skip
    return pd.DataFrame(texts, columns=list(rows.columns))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _ranked(every: list[dict[str, Any]], labels: list[str], options: Options) -> list[tuple[Any, str]]:
    """Sort keys of the columns: how the model was trained, then the metrics in the order asked for."""
    metrics = {name: place for place, name in enumerate(options.metrics)}
    return [
        ((metrics.get(row["metric"], 0), style.model_order(row), str(row["other_model"] or "")), label)
        for row, label in zip(every, labels, strict=True)
    ]
