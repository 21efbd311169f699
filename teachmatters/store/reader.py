"""Queries on a store: one statement that reads, for a limited time."""

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
    """What a query gave: ``truncated`` when there were more rows than asked for."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated: bool

    def distinct(self, names: Iterable[str]) -> list[tuple[Any, ...]]:
        """Distinct values of some columns in order of appearance.

        >>> Rows(["a", "b"], [(1, 2), (1, 3), (1, 2)], truncated=False).distinct(["b"])
        [(2,), (3,)]
        """
        places = [self.columns.index(name) for name in names]
        if len(places) == 1:
            return [(value,) for value in dict.fromkeys(map(itemgetter(*places), self.rows))]
        return list(dict.fromkeys(map(itemgetter(*places), self.rows)))


def query(
    path: StoreLocation, sql: str, *, limit: int | None = None, timeout: float = 30.0, most: float = math.inf
) -> Rows:
    """Run a stranger's SQL: one statement that reads, for a limited time.

    Args:
        path: the store, a file or a database of a server.
        sql: one SELECT.
        limit: the most rows to return, None for all.
        timeout: seconds.
        most: bytes of memory that the rows may take.

    Raises:
        TeachMattersError: the SQL is wrong, does something else than read, or takes too long or too much.
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
    """The same guard as ``query``, for more rows than fit into memory.

    Args:
        path: the store.
        sql: one SELECT.
        timeout: seconds until the last row.

    Raises:
        TeachMattersError: as ``query``, here or while the rows are walked through.
    """
    if timeout <= 0:
        raise TeachMattersError(f"a timeout of {timeout:g} seconds leaves no time. Give more than 0")
    return backend_of(path).stream(sql, timeout)
