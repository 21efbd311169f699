"""The runs that the numbers of a report come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from teachmatters.reports.catalog import TIMEOUT
from teachmatters.store.reader import Rows, query

COLUMNS = (
    "run_id", "model", "other_model", "dataset", "split", "analysis", "setting", "finished_at", "seconds", "device",
    "dtype", "seed", "git_commit", "weights", "versions",
)  # fmt: skip
_KEY = ("model", "other_model", "dataset", "split", "analysis", "setting")


class Runs:
    """Every run of a store, by what it measured; of several the newest.

    Args:
        path: the store.
    """

    def __init__(self, path: Path) -> None:
        found = query(path, f"SELECT {', '.join(COLUMNS)} FROM runs ORDER BY finished_at", timeout=TIMEOUT)
        self._runs = {self._key(dict(zip(found.columns, row, strict=True))): row for row in found.rows}

    def behind(self, data: Rows) -> list[tuple[Any, ...]]:
        """The runs of some rows, as far as the rows' columns tell: a value of COLUMNS each."""
        if "model" not in data.columns or "analysis" not in data.columns:
            return []
        keys: dict[tuple[str, ...], None] = {}
        for values in data.rows:
            row = dict(zip(data.columns, values, strict=True))
            keys[self._key(row)] = None
            keys[self._key({**row, "model": row.get("other_model"), "other_model": row["model"]})] = None
        return [self._runs[key] for key in keys if key in self._runs]

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row.get(name) or "") for name in _KEY)
