"""``tm db``: inspect, migrate, compact and merge results stores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options, output, stores

PATH_HELP = """Print the path, or the server address, of the store that reports and queries read.

Examples:

  tm db path

  sqlite3 "$(tm db path)" "SELECT count(*) FROM results"
"""
INFO_HELP = """Print the size of a store and whether it needs a migration.

Examples:

  tm db info

  tm db info --db results.db --format json
"""
MIGRATE_HELP = """Migrate an older store to the current revision, in one transaction.

Examples:

  tm db migrate

  tm db migrate --db results.db
"""
COMPACT_HELP = """Compact a store into one file of minimal size, ready to copy or ship.

The numbers do not change. The command fails if another program has the store open.

Examples:

  tm db compact

  tm db compact --db results.db
"""
MERGE_HELP = """Merge the stores of several machines: each run once, with its origin, in one transaction.

The sources are only read. The target is created if it does not exist; runs that it already has stay as they are. Where
two stores disagree, both numbers are kept, the view results shows the run that finished later, and the command reports
a conflict.

Examples:

  tm analyze --model random-s16 --metric attn-distance --limit 2 --db second.db

  tm db merge results.db second.db --into all.db

  tm db merge second.db --into results.db --format json
"""

MOST_CONFLICTS = 20  # printed as sentences

app = typer.Typer(
    help="Locate, inspect, migrate, compact or merge results stores.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command(help=PATH_HELP)
def path(db: options.DbOption = None) -> None:
    """Print the store that reports and queries read."""
    found = stores.reading(db)
    output.emit(str(found.resolve() if isinstance(found, Path) else found))


@app.command(help=INFO_HELP)
def info(db: options.DbOption = None, style: options.ListFormatOption = "table") -> None:
    """Print the size of a store and whether it needs a migration."""
    from teachmatters.store import migrate

    found = stores.reading(db)
    facts = migrate.info(found)
    if style == "json":
        output.emit_table(list(facts), [list(facts.values())], style)
    else:
        output.emit_table(["", "value"], [[name, value] for name, value in facts.items()], style)


@app.command(help=MIGRATE_HELP)
def migrate(db: options.DbOption = None) -> None:
    """Migrate an older store to the current revision."""
    from teachmatters.store import head, location
    from teachmatters.store.migrate import migrate as run

    found = location.writing_path(db)
    before, now = run(found), head()
    output.say(
        f"{found} is up to date (revision {now})" + (f"; it was at {before}" if before not in (None, now) else "")
    )


@app.command(help=COMPACT_HELP)
def compact(db: options.DbOption = None) -> None:
    """Compact a store into one file."""
    from teachmatters.cache.sizes import in_words
    from teachmatters.store import backend_of, location

    found = location.writing_path(db)
    before, after = backend_of(found).compact()
    output.say(f"{found} is one file of {in_words(after)}; before: {in_words(before)}")


@app.command(help=MERGE_HELP)
def merge(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE", help="The stores to merge, files or URLs.", show_default=False)
    ],
    into: Annotated[str, typer.Option("--into", metavar="FILE", help="The target store, a file or a URL.")],
    style: options.ListFormatOption = "table",
) -> None:
    """Merge the stores of several machines."""
    from teachmatters.store.location import plain_path, writing_path
    from teachmatters.store.merge.merge import merge

    target = writing_path(into)
    with output.progress() as display:
        merged = merge([plain_path(path) for path in paths], target, display)
    conflicts = [conflict for source in merged for conflict in source.conflicts]
    rows = []
    for source in merged:
        found = [asdict(conflict) for conflict in source.conflicts] if style == "json" else len(source.conflicts)
        rows.append((str(source.path), source.runs, source.added, source.runs - source.added, found))
    output.emit_table(("file", "runs", "added", "already_there", "conflicts"), rows, style)
    for conflict in conflicts[:MOST_CONFLICTS]:
        output.say(f"conflict: {conflict.what}: {conflict.why}")
    if len(conflicts) > MOST_CONFLICTS:
        output.say(f"{len(conflicts) - MOST_CONFLICTS:,} more conflicts; --format json lists them all")
