"""``tm query``: run SQL on the store, read-only."""

from __future__ import annotations

from typing import Annotated

import typer

from teachmatters.cli import options, output, stores

HELP = """Run a SQL query on the views results, all_results, runs and maps.

The query is read-only: it cannot write, attach a file or explain. It stops after --timeout seconds.

Examples:

  tm query "SELECT model, layer, head, metric, value FROM results"

  tm query "SELECT model, max(value) FROM results WHERE metric = 'knn-top1' GROUP BY model" --format markdown

  tm query "SELECT run_id, model, dataset, seconds FROM runs ORDER BY finished_at" --format csv --limit 100000
"""

LIMIT = 1000  # rows, unless --limit says otherwise


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT on the views results, all_results, runs and maps.")],
    db: options.DbOption = None,
    style: options.QueryFormatOption = "table",
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Maximum number of rows. Default: 1000; two screens on a terminal."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", help="Time limit in seconds.")] = 30.0,
) -> None:
    """Run a SQL query on the store."""
    from teachmatters.store import reader
    from teachmatters.store.sqlite import guard

    whole, limit = limit is not None, LIMIT if limit is None else limit
    options.at_least(limit, 1, "--limit")
    options.above(timeout, 0, "--timeout")
    path = stores.reading(db)
    guard.limit_memory()
    found = reader.query(path, sql, limit=limit, timeout=timeout, most=guard.KEPT)
    output.emit_table(found.columns, found.rows, style, whole=whole)
    if found.truncated:
        shown = "row is" if limit == 1 else f"{limit:,} rows are"
        output.say(f"Only the first {shown} shown; --limit N shows more.")


app = options.single(query, HELP)
