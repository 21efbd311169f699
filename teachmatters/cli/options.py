"""Options that several commands share, declared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from teachmatters.errors import TeachMattersError

DbOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="FILE-OR-URL",
        help="The results store, a file or postgresql://user@host/database. Default: TM_DB, else ./results.db.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", metavar="NAME", help="A model, a pattern ('mini-*') or a family; repeat for more."),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME", help="A metric, or an analysis with all it measures; repeat for more."),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", "-d", metavar="NAME", help="A data set; repeat for more."),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option("--data-root", metavar="DIR", help="Folder of the data set, or of all of them. Default: TM_DATA."),
]
PreviewOption = Annotated[
    Path | None,
    typer.Option("--preview", metavar="FILE.png", help="Draw a contact sheet of what the data set holds."),
]
SettingOption = Annotated[
    str,
    typer.Option(
        "--setting", metavar="TEXT", help="Prefer numbers of this setting, such as 'limit=2', to the defaults'."
    ),
]
LayersOption = Annotated[
    str | None, typer.Option("--layers", metavar="LIST", help="Only these layers, from 1: '1,6,12' or '1-3'.")
]
HeadsOption = Annotated[
    str | None, typer.Option("--heads", metavar="LIST", help="These heads as well, from 1: '1,6,12' or '1-3'.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write to this file instead of standard output.")
]
NameArgument = Annotated[str | None, typer.Argument(help="Show this one; leave it out for a list.", show_default=False)]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="Who makes the forward passes: local or ray.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="ADDRESS", help="A running Ray cluster: auto or HOST:PORT. Default: one of its own, here."
    ),
]
ShardsOption = Annotated[
    int | None,
    typer.Option("--shards", metavar="N", help="Parts that Ray cuts each pass into. Default: as many as run at once."),
]
ListFormat: TypeAlias = Literal["table", "json"]
QueryFormat: TypeAlias = Literal["table", "csv", "json", "markdown"]
ReportFormat: TypeAlias = Literal["table", "markdown", "latex", "csv", "json"]
ListFormatOption = Annotated[ListFormat, typer.Option("--format", help="How to print it.")]
QueryFormatOption = Annotated[QueryFormat, typer.Option("--format", help="How to print it.")]
ReportFormatOption = Annotated[ReportFormat, typer.Option("--format", help="How to print it.")]

MOST = 1000
"""No network has more layers or heads."""


def single(command: Callable[..., None], text: str) -> typer.Typer:
    """One function as the app that a CommandSpec names; ``text`` is what ``--help`` shows."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=text)(command)
    return app


def parse_numbers(text: str | None, option: str) -> tuple[int, ...]:
    """The numbers that ``1,6,12`` or ``1-3`` stands for, in order, each once.

    Raises:
        typer.BadParameter: it is no such list.
        TeachMattersError: a number is out of range.

    >>> parse_numbers("1-3,12,2", "--layers"), parse_numbers(None, "--layers")
    ((1, 2, 3, 12), ())
    """
    if text is None:
        return ()
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = (piece.strip() for piece in part.partition("-"))
        if not (_whole(first) and (_whole(last) if "-" in part else True)):
            raise typer.BadParameter(f"{text!r} is no list of numbers like '1,6,12' or '1-3'.", param_hint=option)
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= MOST:
            raise TeachMattersError(f"{option} {text}: numbers count from 1 to at most {MOST}, the smaller one first.")
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def at_least(value: float, least: float, option: str) -> None:
    """Refuse a number that is too small.

    Raises:
        TeachMattersError: it is below ``least``, or no number.
    """
    if not value >= least:
        raise TeachMattersError(f"{option} {value:g} is out of range; it must be at least {least:g}.")


def above(value: float, floor: float, option: str) -> None:
    """Refuse a number that is not above ``floor``.

    Raises:
        TeachMattersError: it is not.
    """
    if not floor < value < float("inf"):
        raise TeachMattersError(f"{option} {value:g} is out of range; it must be above {floor:g}.")


def check_target(path: Path | None, option: str, suffixes: Sequence[str] = ()) -> None:
    """See before anything is computed that a file can be written.

    Raises:
        TeachMattersError: it is a folder or a database, its folder does not exist, or it ends in none of ``suffixes``.
    """
    if path is None:
        return
    if suffixes and path.suffix.lower() not in suffixes:
        raise TeachMattersError(f"{option} {str(path)!r}: the name must end in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise TeachMattersError(f"{option} {str(path)!r} is a folder; name a file in it.")
    if path.is_file() and _is_database(path):
        raise TeachMattersError(f"{option} {str(path)!r} is a database and would be lost; name another file.")
    if not path.parent.is_dir():
        raise TeachMattersError(f"{option} {str(path)!r}: there is no folder {str(path.parent)!r}; create it first.")


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
