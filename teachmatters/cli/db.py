"""``tm db``: the results store itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output

PATH_HELP = """Print the file, or the server's database, that reports and queries read.

Examples:

  tm db path

  sqlite3 "$(tm db path)" "SELECT count(*) FROM results"
"""
INFO_HELP = """Print how much a store holds and whether it is up to date.

Examples:

  tm db info

  tm db info --db results.db --format json
"""
MIGRATE_HELP = """Bring an older store up to date, in one transaction.

Examples:

  tm db migrate

  tm db migrate --db results.db
"""
COMPACT_HELP = """Make a store one file with nothing beside it, as small as it gets, to be copied or shipped.

A store that another program has open is refused. The numbers stay as they are.

Examples:

  tm db compact

  tm db compact --db results.db
"""
MERGE_HELP = """Join stores of several machines: every run once, with its origin, all of them or none.

The sources are only read; the target is made if there is none, else added to. Runs that are there already are left as
they are. Where two stores differ about the same thing both numbers stay, results shows those of the run that finished
later, and it is said.

Examples:

  tm analyze --model random-s16 --metric attn-distance --limit 2 --db second.db

  tm db merge results.db second.db --into all.db

  tm db merge second.db --into results.db --format json
"""

MOST_CONFLICTS = 20
"""That are told as sentences."""

app = typer.Typer(
    help="Where the results store is, what it holds, bring it up to date, make it small, join several.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command(help=PATH_HELP)
def path(db: given.DbOption = None) -> None:
    """Print the file that reports and queries read."""
    from teachmatters.store import location

    found, remark = location.reading_path(db)
    if remark:
        output.say(remark)
    output.emit(str(found.resolve() if isinstance(found, Path) else found))


@app.command(help=INFO_HELP)
def info(db: given.DbOption = None, style: given.ListFormatOption = "table") -> None:
    """Print how much a store holds and whether it is up to date."""
    from teachmatters.store import location, migrate

    found, remark = location.reading_path(db)
    if remark:
        output.say(remark)
    facts = migrate.info(found)
    if style == "json":
        output.emit_table(list(facts), [list(facts.values())], style)
    else:
        output.emit_table(["", "value"], [[name, value] for name, value in facts.items()], style)


@app.command(help=MIGRATE_HELP)
def migrate(db: given.DbOption = None) -> None:
    """Bring an older store up to date, in one transaction."""
    from teachmatters.store import head, location
    from teachmatters.store.migrate import migrate as run

    found = location.writing_path(db)
    before, now = run(found), head()
    output.say(
        f"{found} is up to date (revision {now})" + (f"; it was at {before}" if before not in (None, now) else "")
    )


@app.command(help=COMPACT_HELP)
def compact(db: given.DbOption = None) -> None:
    """Make a store one file, as small as it gets."""
    from teachmatters.cache.sizes import in_words
    from teachmatters.store import backend_of, location

    found = location.writing_path(db)
    before, after = backend_of(found).compact()
    output.say(f"{found} is one file of {in_words(after)}; it took {in_words(before)}")


@app.command(help=MERGE_HELP)
def merge(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE", help="The stores to join, files or URLs.", show_default=False)
    ],
    into: Annotated[str, typer.Option("--into", metavar="FILE", help="The store that they go into, a file or a URL.")],
    style: given.ListFormatOption = "table",
) -> None:
    """Join stores of several machines."""
    from teachmatters.store.location import plain_path
    from teachmatters.store.merge.merge import merge

    target = plain_path(into)
    with output.progress() as display:
        merged = merge([plain_path(path) for path in paths], target, display)
    conflicts = [conflict for one in merged for conflict in one.conflicts]
    rows = []
    for one in merged:
        told = [asdict(conflict) for conflict in one.conflicts] if style == "json" else len(one.conflicts)
        rows.append((str(one.path), one.runs, one.added, one.runs - one.added, told))
    output.emit_table(("file", "runs", "added", "already_there", "conflicts"), rows, style)
    for conflict in conflicts[:MOST_CONFLICTS]:
        output.say(f"conflict: {conflict.what}: {conflict.why}")
    if len(conflicts) > MOST_CONFLICTS:
        output.say(f"{len(conflicts) - MOST_CONFLICTS:,} more conflicts; --format json lists them all")
