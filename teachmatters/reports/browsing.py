"""The store as a site of Datasette's, which reads it and cannot write. Needs the extra ``browse``."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import Place, Server
from teachmatters.store.public import VIEWS
from teachmatters.store.reader import connect, tidy

if TYPE_CHECKING:
    from datasette.app import Datasette

NAME = "results"
"""What the database is called in addresses, whatever the file is."""

SETTINGS = {
    "sql_time_limit_ms": 30_000,
    "facet_time_limit_ms": 2_000,
    "max_returned_rows": 10_000,
    "allow_download": False,
    "suggest_facets": False,  # it would try every column of a store of millions of rows
}
ABOUT = {
    "results": "One row for each number: of each measurement those of its newest run. A row without head and category "
    "is its layer's own number.",
    "all_results": "As results, with what newer runs replaced; is_newest tells them apart.",
    "runs": "One row for each run: where its numbers come from.",
    "maps": "Arrays, one row for each layer: averaged attention maps, and scores of single units.",
}
QUERIES = {
    "best_layers": (
        "Which layer is best, and how deep does it lie?",
        """WITH ranked AS (
    SELECT results.*,
        row_number() OVER (PARTITION BY model, dataset, setting ORDER BY value DESC, layer) AS place
    FROM results
    WHERE metric = 'knn-top1' AND category IS NULL
)
SELECT model, arch, dataset, setting, layer, round(1.0 * layer / depth, 2) AS relative_depth, value AS top1
FROM ranked
WHERE place = 1
ORDER BY dataset, setting, top1 DESC, model""",
    ),
    "how_far": (
        "How far does each layer look?",
        """SELECT model, dataset, setting, layer, value, std, n
FROM results
WHERE metric = 'attn-distance' AND head IS NULL
ORDER BY dataset, setting, model, layer""",
    ),
    "measured": (
        "What has been measured, and under which settings?",
        """SELECT model, dataset, split, analysis, setting, count(DISTINCT metric) AS metrics, count(*) AS numbers
FROM results
GROUP BY model, dataset, split, analysis, setting
ORDER BY model, dataset, split, analysis, setting""",
    ),
}


class Site:
    """A store behind Datasette.

    Attributes:
        datasette: the application.
    """

    def __init__(self, path: Place) -> None:
        """Read ``path``.

        Raises:
            TeachMattersError: Datasette is not installed, there is no store, or it is on a server.
        """
        if isinstance(path, Server):
            raise TeachMattersError(
                f"Datasette reads files, and {path} is none. 'tm db merge {path} --into FILE.db' makes one of it, and "
                "'tm browse --db FILE.db' opens that"
            )
        self._path = path
        self._connections: list[sqlite3.Connection] = []
        self._connect().close()  # what is wrong with the file is said now
        self.datasette = self._datasette()

    def _datasette(self) -> Datasette:
        try:
            from datasette.app import Datasette
            from datasette.database import Database
        except ImportError as error:
            raise TeachMattersError("tm browse needs Datasette; pip install 'teachmatters[browse]'") from error
        site = Datasette(files=[], settings=SETTINGS, metadata=metadata(self._path))
        site.remove_database("_memory")
        database = Database(site, path=str(self._path.resolve()), is_mutable=True)
        database.connect = self._connect  # the same read-only connection that all else here reads through
        site.add_database(database, name=NAME)
        return site

    def _connect(self, write: bool = False) -> sqlite3.Connection:
        if write:
            raise TeachMattersError("the store is open for reading only")
        connection = connect(self._path, threads=True)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Let go of the file, and leave nothing beside it."""
        self.datasette.executor.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()
        tidy(self._path)  # a writer that ended while we were reading could not


def metadata(path: Path) -> dict[str, Any]:
    """What Datasette shows beside the numbers: the views first, the tables behind them hidden."""
    with_names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    connection = connect(path)
    try:
        tables = [name for (name,) in connection.execute(with_names)]
    finally:
        connection.close()
    shown: dict[str, dict[str, Any]] = {name: {"hidden": True} for name in tables}
    shown |= {name: {"description": ABOUT[name]} for name in VIEWS}
    shown["results"]["facets"] = ["metric", "model"]
    queries = {name: {"title": title, "sql": sql} for name, (title, sql) in QUERIES.items()}
    about = "The views results, all_results, runs and maps are the store's face; the tables behind them may change."
    return {
        "title": f"teachmatters: {path.name}",
        "databases": {NAME: {"description": about, "tables": shown, "queries": queries}},
    }
