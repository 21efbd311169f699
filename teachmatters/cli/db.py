"""``tm db``: the results store itself."""

from __future__ import annotations

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output

PATH_HELP = """Print the file that reports and queries read.

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

app = typer.Typer(
    help="Where the results store is, what it holds, bring it up to date, make it small.",
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
    output.emit(str(found.resolve()))


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
    from teachmatters.store import location, migrate

    found = location.writing_path(db)
    before, now = migrate.migrate(found), migrate.head()
    output.say(
        f"{found} is up to date (revision {now})" + (f"; it was at {before}" if before not in (None, now) else "")
    )


@app.command(help=COMPACT_HELP)
def compact(db: given.DbOption = None) -> None:
    """Make a store one file, as small as it gets."""
    from teachmatters.cache.sizes import in_words
    from teachmatters.store import compact, location

    found = location.writing_path(db)
    before, after = compact.compact(found)
    output.say(f"{found} is one file of {in_words(after)}; it took {in_words(before)}")
