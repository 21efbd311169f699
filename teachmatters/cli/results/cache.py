"""``tm cache``: list and remove cached features and comparison states."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options, output
from teachmatters.cli.catalog import listing
from teachmatters.errors import TeachMattersError

INFO_HELP = """List the cache: features that k-NN, retrieval and clustering share, and states of comparisons.

Examples:

  tm cache info

  tm cache info --db results.db --format json
"""
PRUNE_HELP = """Remove entries from the cache and report the space freed. The numbers in the store stay.

NAME is a model, a data set, an analysis, 'features' or an entry, or a pattern of them. A later command computes a
removed entry again if it needs it.

Examples:

  tm cache prune --older-than 30

  tm cache prune features --older-than 7

  tm cache prune --all
"""
COLUMNS = ("kind", "model", "weights", "data", "readout", "images", "layers", "size", "used", "name")

app = typer.Typer(
    help="List or remove the features and states that forward passes cached for later commands.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _folder(db: str | None) -> Path:
    from teachmatters.cache.location import cache_folder
    from teachmatters.store.location import writing_path

    return cache_folder(writing_path(db))


@app.command(help=INFO_HELP)
def info(db: options.DbOption = None, style: options.ListFormatOption = "table") -> None:
    """List the cache."""
    from teachmatters.cache.inventory import inventory
    from teachmatters.cache.limit import limit_of
    from teachmatters.cache.sizes import in_words

    folder = _folder(db)
    entries = inventory(folder)
    rows = [{**dataclasses.asdict(entry), "size": in_words(entry.bytes)} for entry in entries]
    if style == "json":
        names = [*(field.name for field in dataclasses.fields(entries[0])), "path"] if entries else ["name", "path"]
        objects = [{**row, "path": str((folder / row["name"]).resolve())} for row in rows]
        output.emit_table(names, [[row[name] for name in names] for row in objects], "json")
        return
    if entries:
        listing.emit_list(rows, style, COLUMNS)
    total = in_words(sum(entry.bytes for entry in entries))
    summary = f"{len(entries)} entries, {total}, in {folder}" if entries else f"nothing is cached in {folder}"
    output.say(f"{summary}; the limit is {in_words(limit_of(folder))} (TM_CACHE_LIMIT)")


@app.command(help=PRUNE_HELP)
def prune(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="The entries to remove.", show_default=False)
    ] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", help="Only entries not used for this many days.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove every entry.")] = False,
    db: options.DbOption = None,
) -> None:
    """Remove entries from the cache."""
    from teachmatters.cache.inventory import prune
    from teachmatters.cache.sizes import in_words

    if not (names or everything or older_than is not None):
        raise TeachMattersError("no entries chosen; give a NAME or a pattern, --older-than DAYS, or --all")
    if names and everything:
        raise TeachMattersError(f"NAME {' '.join(names)!r} and --all exclude each other; give one of them")
    if older_than is not None and older_than < 0:
        raise TeachMattersError(f"--older-than {older_than:g} is out of range; it must be at least 0 (days)")
    folder = _folder(db)
    removed = prune(folder, names or (), older_than)
    for entry, freed in removed:
        output.say(
            f"removed {entry.path.name} ({entry.facts.get('model')} on {entry.facts.get('dataset')}): {in_words(freed)}"
        )
    total = in_words(sum(freed for _, freed in removed))
    output.say(f"freed {total} in {folder}" if removed else f"nothing to remove in {folder}")
