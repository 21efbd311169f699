"""The runs that the numbers of a report come from."""

from __future__ import annotations

from typing import Any

from teachmatters.reports.catalog import TIMEOUT
from teachmatters.store.location import StoreLocation
from teachmatters.store.reader import Rows, query

COLUMNS = (
    "run_id", "model", "other_model", "dataset", "split", "analysis", "setting", "finished_at", "seconds", "device",
    "dtype", "seed", "git_commit", "parameters", "weights", "versions",
)  # fmt: skip
_KEY = ("model", "other_model", "dataset", "split", "setting", "metric")

# A run that measured one metric again does not replace the other metrics of its analysis, so look up each metric.
_NEWEST = """
SELECT DISTINCT fact.model, fact.other_model, fact.dataset, fact.split, fact.setting, metrics.name, fact.run_id,
    fact.finished_at
FROM recorded
JOIN run_facts AS fact ON fact.id = recorded.run_id
JOIN metrics ON metrics.id = recorded.metric_id
WHERE recorded.is_newest = 1
ORDER BY fact.finished_at, fact.run_id
"""

# The other names of the key's columns in a report's rows. One row may combine two numbers.
_READINGS: tuple[dict[str, str], ...] = (
    {},
    {"model": "other_model", "other_model": "model"},  # a pair is stored once
    {"metric": "other_metric", "dataset": "other_dataset"},
    {"model": "first", "setting": "first_setting"},
    {"model": "second", "setting": "second_setting"},
)


class Runs:
    """The runs of a store, by the metrics for which each is the newest.

    Args:
        path: the store.
    """

    def __init__(self, path: StoreLocation) -> None:
        found = query(path, f"SELECT {', '.join(COLUMNS)} FROM runs", timeout=TIMEOUT)
        self._runs = {row[0]: row for row in found.rows}
        self._newest: dict[tuple[str, ...], list[str]] = {}
        for *key, run, _ in query(path, _NEWEST, timeout=TIMEOUT).rows:
            self._newest.setdefault(tuple(map(str, key)), []).append(run)

    def behind(self, data: Rows) -> list[tuple[Any, ...]]:
        """Return the runs behind some rows, as values of COLUMNS, as far as the columns of the rows identify them."""
        keys: dict[tuple[str, ...], None] = {}
        for other_names in _READINGS:
            keys.update(_keys(data, other_names))
        runs = dict.fromkeys(run for key in keys for run in self._newest.get(key, ()))
        return [self._runs[run] for run in runs]


def _keys(data: Rows, other_names: dict[str, str]) -> dict[tuple[str, ...], None]:
    """Return the distinct values of _KEY in some rows; ``other_model`` is the only column that may be missing."""
    names = [other_names.get(name, name) for name in _KEY]
    if not set(names) - {"other_model"} <= set(data.columns) or not set(other_names.values()) <= set(data.columns):
        return {}
    held = [name for name in names if name in data.columns]
    found = (dict(zip(held, values, strict=True)) for values in data.distinct(held))
    return dict.fromkeys(tuple(str(values.get(name) or "") for name in names) for values in found)
