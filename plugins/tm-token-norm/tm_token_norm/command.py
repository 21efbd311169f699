"""``tm norms``: the layers with the longest tokens."""

from __future__ import annotations

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output

# --8<-- [start:command]
HELP = """Show the layer of each model with the longest tokens.

Examples:

  tm norms

  tm norms --db results.db --format json
"""
SQL = "SELECT model, layer, max(value) AS norm FROM results WHERE metric = 'token-norm' GROUP BY model"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=HELP)
def norms(db: given.DbOption = None, style: given.ListFormatOption = "table") -> None:
    """Show the layer of each model with the longest tokens."""
    from teachmatters.store import query, reading_path

    path, remark = reading_path(db)
    if remark:
        output.say(remark)
    found = query(path, SQL)
    output.emit_table(found.columns, found.rows, style)


# --8<-- [end:command]
