"""A read-only Datasette site for a store. Needs the extra ``browse``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.public import VIEWS
from teachmatters.store.sqlite import guard
from teachmatters.store.sqlite.deadline import GRACE, STEP
from teachmatters.store.sqlite.read_connection import Reader, connect, tidy
from teachmatters.store.values import check_store

if TYPE_CHECKING:
    from datasette.app import Datasette

NAME = "results"  # the database in URLs, whatever the name of the file

SETTINGS = {
    "sql_time_limit_ms": 30_000,
    "facet_time_limit_ms": 2_000,
    "max_returned_rows": 10_000,
    "allow_download": False,
    "suggest_facets": False,  # it scans every column, in a store of millions of rows
}
ABOUT = {
    "results": "One row per number, from the newest run of each measurement. A row without head and category is the "
    "number of its layer.",
    "all_results": "As results, including numbers that newer runs replaced; see is_newest.",
    "runs": "One row per run: the origin of its numbers.",
    "maps": "Arrays, one row per layer: averaged attention maps, and scores of single units.",
}
QUERIES = {
    "best_layers": (
        "Which layer is best, and how deep is it?",
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
        "How far does each layer attend?",
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


# Datasette reads the columns with these. A query can call them as functions.
_LISTS = ("database_list", "foreign_key_list", "index_list")
PRAGMAS = frozenset((*_LISTS, "index_info", "index_xinfo", "schema_version", "table_info", "table_xinfo"))
SECONDS = SETTINGS["sql_time_limit_ms"] / 1000


class WatchedConnection(Reader):
    """A connection with a time limit that also holds where SQLite does not check the time.

    Datasette sets a progress handler when a query begins, and removes it when the query ends.

    Attributes:
        give_up: called if a query cannot be stopped.
    """

    give_up: Callable[[], None]
    _over: threading.Event | None = None

    def cursor(self, factory: Any = guard.GuardedCursor) -> Any:
        """Return a guarded cursor."""
        return super().cursor(factory)

    def set_progress_handler(self, handler: Any, n: int) -> None:
        """Start watching a query, or stop."""
        super().set_progress_handler(handler, n)
        if self._over is not None:
            self._over.set()
        self._over = None if handler is None else threading.Event()
        if self._over is not None:
            threading.Thread(target=self._watch, args=(self._over,), daemon=True).start()

    def _watch(self, over: threading.Event) -> None:
        if not over.wait(SECONDS) and not self.stop(over):
            self.give_up()

    def stop(self, over: threading.Event | None = None) -> bool:
        """Interrupt the running query; return False if it does not stop."""
        over, end = over or self._over, time.monotonic() + GRACE
        while over is not None and not over.is_set():
            if time.monotonic() >= end:
                return False
            self.interrupt()
            over.wait(STEP)
        return True


class Site:
    """A Datasette application for one store.

    Attributes:
        datasette: the application.
    """

    def __init__(self, path: StoreLocation, give_up: Callable[[], None]) -> None:
        """Open ``path``; ``give_up`` is called if a query cannot be stopped.

        Raises:
            TeachMattersError: Datasette is not installed, there is no store, or it is on a server.
        """
        if isinstance(path, Server):
            raise TeachMattersError(
                f"Datasette reads only files, not {path}. 'tm db merge {path} --into FILE.db' copies it to a file, and "
                "'tm browse --db FILE.db' opens that"
            )
        self._path, self._give_up = path, give_up
        self._connections: list[WatchedConnection] = []
        check_store(path)  # report a damaged file now
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
        database.connect = self._connect  # the same read-only connection as for all other reads
        site.add_database(database, name=NAME)
        return site

    def _connect(self, write: bool = False) -> WatchedConnection:
        if write:
            raise TeachMattersError("the store is open for reading only")
        connection = connect(self._path, threads=True, kind=WatchedConnection)
        assert isinstance(connection, WatchedConnection)
        connection.give_up = self._give_up
        guard.harden(connection, pragmas=PRAGMAS)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Stop running queries, close the file and remove SQLite's side files."""
        self.datasette.executor.shutdown(wait=False, cancel_futures=True)
        stopped = [connection.stop() for connection in self._connections]
        if not all(stopped):
            self._give_up()
        self.datasette.executor.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        tidy(self._path)  # a writer that ended during our reads could not


def metadata(path: Path) -> dict[str, Any]:
    """Return Datasette's metadata: descriptions of the views; the tables are hidden."""
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
    about = "The views results, all_results, runs and maps are the public interface; the tables may change."
    return {
        "title": f"teachmatters: {path.name}",
        "databases": {NAME: {"description": about, "tables": shown, "queries": queries}},
    }
