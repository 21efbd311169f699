"""Turn the rows of a query into wide tables for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions
from teachmatters.reports.options import Options

if TYPE_CHECKING:
    import pandas as pd

_PARTS = ("metric", "protocol", "dataset", "split")
_STACKED = ("dataset", "split", "metric", "protocol")
_WHOLE = ("layer", "other_layer", "head", "depth", "n")


def number(value: float | None, unit: str = "") -> str:
    """Format a number for people: percentages with one decimal, anything else with four significant digits.

    >>> number(71.2345, "percent"), number(0.43219), number(12345.6), number(1.5e-7), number(0.0), number(None)
    ('71.2', '0.4322', '12346', '1.500e-07', '0', '')
    """
    if value is None or math.isnan(value):
        return ""
    if unit == "percent":
        text = f"{value:.1f}"
        return "0.0" if text == "-0.0" else text
    if value == 0 or math.isinf(value):
        return f"{value:g}".lstrip("-") if value == 0 else f"{value:g}"
    power = math.floor(math.log10(abs(value)))
    return f"{value:.3e}" if power < -4 else f"{value:.{max(0, 3 - power)}f}"


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as dicts, with None for missing values and int for whole numbers."""
    names = [str(name) for name in rows.columns]
    columns = [_plain(rows[name], whole=name in _WHOLE) for name in rows.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(column: pd.Series[Any], *, whole: bool) -> list[Any]:
    values: list[Any] = column.tolist()
    missing = column.isna().to_numpy()
    if whole and column.dtype.kind != "i":
        values = [None if gone else int(value) for value, gone in zip(values, missing, strict=True)]
    elif missing.any():
        values = [None if gone else value for value, gone in zip(values, missing, strict=True)]
    return values


def wide(rows: pd.DataFrame, options: Options, index: Sequence[str]) -> pd.DataFrame:
    """Pivot to one row per value of ``index`` and one column per model (and metric, data set, ... if several)."""
    every = records(rows)
    return _pivot(every, column_labels(every), options, index)


def stacked(rows: pd.DataFrame, options: Options, index: Sequence[str]) -> pd.DataFrame:
    """Pivot like ``wide``, but put data sets, metrics and protocols in rows, so that columns are only models."""
    every = records(rows)
    above = [name for name in _STACKED if name in differing(every)]
    return _pivot(every, column_labels(every, named=above), options, (*above, *index))


def _pivot(every: list[dict[str, Any]], labels: list[str], options: Options, index: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    index = [name for name in index if any(row.get(name) is not None for row in every)]
    cells: dict[tuple[Any, ...], dict[str, str]] = {}
    for row, label in zip(every, labels, strict=True):
        place = tuple(row[name] for name in index)
        cells.setdefault(place, {})[label] = number(row["value"], row["unit"] or "")
    rank = _ranks(options, every)
    places = sorted(
        cells, key=lambda place: [(v is not None, rank(name, v), v) for name, v in zip(index, place, strict=True)]
    )
    order = _columns(every, labels, options)
    head = pd.DataFrame([["" if v is None else str(v) for v in place] for place in places], columns=list(index))
    body = pd.DataFrame([[cells[place].get(label, "") for label in order] for place in places], columns=order)
    table = pd.concat([head, body], axis=1)
    table.attrs["labels"] = len(index)
    return table


def _ranks(options: Options, every: Sequence[Mapping[str, Any]]) -> Callable[[str, Any], int]:
    """Return a sort key: metrics in the selected order, each with its main protocol first."""
    metrics = {name: place for place, name in enumerate(options.metrics)}
    main = {None, "", *(options.of(row["metric"]).main_protocol for row in every)}

    def rank(name: str, value: Any) -> int:
        return {"metric": metrics.get(value, 0), "protocol": int(value not in main)}.get(name, 0)

    return rank


def in_order(every: Iterable[dict[str, Any]], options: Options) -> list[dict[str, Any]]:
    """Sort rows in the order of panels: main protocols first, metrics in the selected order, then data and settings."""
    rows = list(every)
    rank = _ranks(options, rows)

    def place(row: Mapping[str, Any]) -> tuple[Any, ...]:
        ranks = rank("protocol", row["protocol"]), rank("metric", row["metric"])
        return (*ranks, *(str(row.get(name) or "") for name in ("metric", "dataset", "split", "protocol", "setting")))

    return sorted(rows, key=place)


def differing(every: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return which of metric, protocol, data set and split are needed to distinguish the rows.

    A protocol or split that follows from metric and data set is not needed.

    >>> both = [{"metric": "m", "dataset": "a", "split": "all"}, {"metric": "m", "dataset": "b", "split": "val"}]
    >>> differing(both), differing(both[:1])
    (['dataset'], [])
    """
    seen: dict[str, dict[tuple[Any, ...], set[Any]]] = {name: {} for name in _PARTS}
    for values_of in dict.fromkeys(tuple(map(row.get, _PARTS)) for row in every):
        row = dict(zip(_PARTS, values_of, strict=True))
        for name, values in seen.items():
            place = (row["metric"], row["dataset"]) if name in ("protocol", "split") else ()
            values.setdefault(place, set()).add(row[name])
    return [name for name, values in seen.items() if any(len(each) > 1 for each in values.values())]


def column_labels(every: list[dict[str, Any]], named: Collection[str] = ()) -> list[str]:
    """Return each row's model, followed by whatever differs between rows and is not ``named`` elsewhere."""
    differ = [part for part in differing(every) if part not in named]
    marks = dict(zip([row.get("setting") for row in every], setting_marks(every), strict=True))

    # Hundreds of thousands of rows have few different labels.
    @cache
    def label(model: str, other: str | None, setting: str | None, *values: str | None) -> str:
        versus = f" vs {other}" if other else ""
        held = parts(dict(zip(differ, values, strict=True)), differ)
        return " / ".join([model + versus, *held]) + marks[setting]

    names = ("model", "other_model", "setting", *differ)
    return [label(*map(row.get, names)) for row in every]


def by_label(every: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each column label, in legend order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row, label in zip(every, column_labels(every), strict=True):
        groups.setdefault(label, []).append(row)
    return dict(sorted(groups.items(), key=lambda group: supervisions.model_order(group[1][0])))


def tasks(every: list[dict[str, Any]]) -> list[str]:
    """Return each row's task: its metric, and data set, protocol and split where they distinguish rows.

    >>> tasks([{"metric": "m", "dataset": "a", "split": "all"}, {"metric": "n", "dataset": "a", "split": "all"}])
    ['m', 'n']
    """
    several = [part for part in ("dataset", "protocol", "split") if part in differing(every)]
    marks = setting_marks(every)
    return [" / ".join([row["metric"], *parts(row, several)]) + mark for row, mark in zip(every, marks, strict=True)]


def setting_marks(every: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the part of the setting in each row's heading: what the rows do not share, empty for the default.

    >>> setting_marks([{"setting": ""}, {"setting": "limit=2"}]), setting_marks([{"setting": "limit=2"}])
    (['', ' [limit=2]'], [''])
    >>> setting_marks([{"setting": "limit=2, tap=norm1"}, {"setting": "k=5, limit=2"}])
    [' [tap=norm1]', ' [k=5]']
    """
    settings = [row.get("setting") or "" for row in every]
    parts_of = {setting: setting.split(", ") for setting in dict.fromkeys(settings)}
    shared = set.intersection(*map(set, parts_of.values())) if parts_of else set()
    marks = {setting: ", ".join(part for part in own if part not in shared) for setting, own in parts_of.items()}
    return [f" [{marks[setting]}]" if marks[setting] else "" for setting in settings]


def models_by_setting(every: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the setting in the model's name, where a metric on a data set has several settings.

    >>> rows = [{"metric": "m", "dataset": "d", "model": "a", "setting": f"tap={tap}"} for tap in ("x", "y")]
    >>> [row["model"] for row in models_by_setting([*rows, {**rows[0], "metric": "n"}])]
    ['a [tap=x]', 'a [tap=y]', 'a']
    """
    tasks: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in every:
        tasks.setdefault((row["metric"], row["dataset"]), []).append(row)
    marks = {id(row): mark for rows in tasks.values() for row, mark in zip(rows, setting_marks(rows), strict=True)}
    return [{**row, "model": row["model"] + marks[id(row)]} for row in every]


def parts(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the values of some columns for a heading, without empty ones and the split ``all``."""
    return [str(row[name]) for name in names if row[name] and (name, row[name]) != ("split", "all")]


def rounded(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with rounded numbers as texts, for a report without a table function."""
    import pandas as pd

    texts = [
        {key: number(value, row.get("unit") or "") if isinstance(value, float) else _text(value)
         for key, value in row.items()}
        for row in records(rows)
    ]  # fmt: skip
    return pd.DataFrame(texts, columns=list(rows.columns))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _columns(every: list[dict[str, Any]], labels: list[str], options: Options) -> list[str]:
    """Return the columns in order: the metrics in the selected order, then the models by supervision."""
    metrics = {name: place for place, name in enumerate(options.metrics)}
    one_of = {(label, row["metric"]): row for row, label in zip(every, labels, strict=True)}
    ranked = sorted(
        ((metrics.get(metric, 0), supervisions.model_order(row), str(row["other_model"] or "")), label)
        for (label, metric), row in one_of.items()
    )
    return list(dict.fromkeys(label for _, label in ranked))
