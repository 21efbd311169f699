"""Write any number of rows of a query to a file, atomically."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from teachmatters.reports.tables import data_formats, parquet
from teachmatters.reports.tables.atomic_write import atomic_write
from teachmatters.store.backend import Stream
from teachmatters.store.location import StoreLocation
from teachmatters.store.reader import stream
from teachmatters.store.values import NUMBERS, check_store

SUFFIXES = (".csv", ".json", ".parquet")
RESULTS = "SELECT * FROM results"
# The number of rows between two calls of ``alive``.
STEP = 10_000


def export(path: StoreLocation, sql: str, target: Path, timeout: float, alive: Callable[[str, int], None]) -> int:
    """Write a query's rows to a file whose suffix names the format, and return their number.

    Args:
        path: the store.
        sql: one SELECT.
        target: the file; it appears or changes only when it is complete.
        timeout: the limit of the query in seconds.
        alive: called now and then with the current activity and the number of rows so far.

    Raises:
        TeachMattersError: the query fails, pyarrow is missing, or the file cannot be written.
    """
    suffix = target.suffix.lower()
    if suffix == ".parquet":
        parquet.check_installed()
    if sql == RESULTS:
        check_store(path, NUMBERS)
    with stream(path, sql, timeout=timeout) as found, atomic_write(target) as part:
        rows = _Counted(found, "writing", alive)
        if suffix == ".parquet":
            with part.open("wb") as binary:
                parquet.write(binary, found.columns, _Counted(found, "reading", alive), rows)
            return rows.count
        write = data_formats.write_csv if suffix == ".csv" else data_formats.write_json
        with part.open("w", encoding="utf-8", newline="") as text:
            write(text, found.columns, rows)
        return rows.count


class _Counted:
    """An iterator of rows that counts them."""

    def __init__(self, found: Stream, label: str, alive: Callable[[str, int], None]) -> None:
        self._found, self._label, self._alive = found, label, alive
        self.count = 0

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self._found:
            self.count += 1
            if self.count % STEP == 0:
                self._alive(self._label, self.count)
            yield row
