"""``tm cache``: features and states that passes have left beside the store."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import listing, output
from teachmatters.cli import options as given
from teachmatters.errors import TeachMattersError

INFO_HELP = """List what the cache holds: features that k-NN, retrieval and clusters share, and states of comparisons.

Examples:

  tm cache info

  tm cache info --db results.db --format json
"""
PRUNE_HELP = """Drop entries of the cache and say what that freed. The numbers in the store stay.

NAME is a model, a data set, an analysis, 'features' or an entry, or a pattern of them. What was dropped is made again
when it is needed.

Examples:

  tm cache prune --older-than 30

  tm cache prune features --older-than 7

  tm cache prune --all
"""
COLUMNS = ("kind", "model", "weights", "data", "tap", "images", "layers", "size", "used", "name")

app = typer.Typer(
    help="What passes have left beside the store for later commands: list it, drop it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _folder(db: str | None) -> Path:
    from teachmatters.cache.location import cache_folder
    from teachmatters.store.location import writing_path

    return cache_folder(writing_path(db))


@app.command(help=INFO_HELP)
def info(db: given.DbOption = None, style: given.ListFormatOption = "table") -> None:
    """List what the cache holds."""
    from teachmatters.cache.inventory import inventory
    from teachmatters.cache.limit import limit_of
    from teachmatters.cache.sizes import in_words

    folder = _folder(db)
    lines = inventory(folder)
    rows = [{**dataclasses.asdict(line), "size": in_words(line.bytes)} for line in lines]
    if style == "json":
        names = [*(field.name for field in dataclasses.fields(lines[0])), "path"] if lines else ["name", "path"]
        whole = [{**row, "path": str((folder / row["name"]).resolve())} for row in rows]
        output.emit_table(names, [[row[name] for name in names] for row in whole], "json")
        return
    if lines:
        listing.emit_list(rows, style, COLUMNS)
    total = in_words(sum(line.bytes for line in lines))
    held = f"{len(lines)} entries, {total}, in {folder}" if lines else f"nothing is cached in {folder}"
    output.say(f"{held}; at most {in_words(limit_of(folder))} are kept (TM_CACHE_LIMIT)")


@app.command(help=PRUNE_HELP)
def prune(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="What to drop.", show_default=False)
    ] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", help="Only what was not used for so long.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    db: given.DbOption = None,
) -> None:
    """Drop entries of the cache."""
    from teachmatters.cache.inventory import prune
    from teachmatters.cache.sizes import in_words

    if not (names or everything or older_than is not None):
        raise TeachMattersError("nothing said what to drop: give a NAME or a pattern, --older-than DAYS, or --all")
    if names and everything:
        raise TeachMattersError(f"{' '.join(names)} or --all: give one of the two")
    if older_than is not None and older_than < 0:
        raise TeachMattersError(f"--older-than {older_than:g}: it must be at least 0 (days)")
    folder = _folder(db)
    dropped = prune(folder, names or (), older_than)
    for entry, freed in dropped:
        output.say(
            f"dropped {entry.path.name} ({entry.facts.get('model')} on {entry.facts.get('dataset')}): {in_words(freed)}"
        )
    total = in_words(sum(freed for _, freed in dropped))
    output.say(f"freed {total} in {folder}" if dropped else f"nothing to drop in {folder}")
