"""Runs queries on a store: a single reading statement with a time limit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from sys import getsizeof
from typing import Any

from teachmatters.errors import TeachMattersError
from teachmatters.store.backend import Stream, backend_of
from teachmatters.store.location import StoreLocation


@dataclass(slots=True)
class Rows:
    """The rows of a query; ``truncated`` if there were more rows than the limit."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated: bool

    def distinct(self, names: Iterable[str]) -> list[tuple[Any, ...]]:
        """Return the distinct values of some columns in order of appearance.

        >>> Rows(["a", "b"], [(1, 2), (1, 3), (1, 2)], truncated=False).distinct(["b"])
        [(2,), (3,)]
        """
        positions = [self.columns.index(name) for name in names]
        if len(positions) == 1:
            return [(value,) for value in dict.fromkeys(map(itemgetter(*positions), self.rows))]
        return list(dict.fromkeys(map(itemgetter(*positions), self.rows)))


def query(
    path: StoreLocation, sql: str, *, limit: int | None = None, timeout: float = 30.0, most: float = math.inf
) -> Rows:
    """Run untrusted SQL: a single reading statement with a time limit.

    Args:
        path: the store, a file or a database of a server.
        sql: one SELECT.
        limit: maximum number of rows to return, None for all.
        timeout: in seconds.
        most: maximum memory of the rows in bytes.

    Raises:
        TeachMattersError: the SQL is invalid, does not only read, or exceeds the time or the memory.
    """
    with stream(path, sql, timeout=timeout) as found:
        rows: list[tuple[Any, ...]] = []
        room = most
        for row in found if limit is None else islice(found, limit + 1):
            rows.append(row)
            if most < math.inf and (room := room - sum(map(getsizeof, row))) < 0:
                raise TeachMattersError(
                    f"the first {len(rows):,} rows take more than {most / 1e6:,.0f} MB of memory. Ask for fewer rows "
                    "or columns, or let 'tm export --query SQL --out FILE' write them to a file"
                )
        truncated = limit is not None and len(rows) > limit
        return Rows(found.columns, rows[:limit], truncated)


def stream(path: StoreLocation, sql: str, *, timeout: float) -> contextlib.AbstractContextManager[Stream]:
    """Run untrusted SQL as ``query`` does, for more rows than fit into memory.

    Args:
        path: the store.
        sql: one SELECT.
        timeout: seconds until the last row.

    Raises:
        TeachMattersError: as ``query``, here or during the iteration.
    """
    if timeout <= 0:
        raise TeachMattersError(f"a timeout of {timeout:g} seconds leaves no time. Give more than 0")
    return backend_of(path).stream(sql, timeout)
