"""``tm export``: write results, or the rows of a query, to a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options, output, stores

HELP = """Write the view results, or the rows of a query, to a CSV, JSON or Parquet file.

The file appears only when it is complete. As in 'tm query', the query can only read.

Examples:

  tm export --out results.csv

  tm export --query "SELECT model, layer, value FROM results WHERE metric = 'knn-top1'" --out knn.json
"""

SUFFIXES = (".csv", ".json", ".parquet")


def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A .csv, .json or .parquet file.")],
    sql: Annotated[
        str, typer.Option("--query", metavar="SQL", help="One SELECT on the views. Default: all of results.")
    ] = "",
    db: options.DbOption = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", help="Time limit in seconds.")] = 3600.0,
) -> None:
    """Write results, or the rows of a query, to a file."""
    from teachmatters.reports.tables import export
    from teachmatters.store.sqlite import guard

    options.above(timeout, 0, "--timeout")
    options.check_target(out, "--out", SUFFIXES)
    path = stores.reading(db)
    guard.limit_memory()
    count = export.export(path, sql or export.RESULTS, out, timeout, output.Pulse().beat)
    output.say(f"Wrote {count:,} {'row' if count == 1 else 'rows'} to {out}")


app = options.single(export, HELP)
