"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from teachmatters import config
from teachmatters.cli import completion
from teachmatters.errors import TeachMattersError


def _device(given: str) -> str:
    return given or config.default("device") or "auto"


DbOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="FILE-OR-URL",
        help="The results store; 'bundled': the shipped one. Default: TM_DB, else ./results.db.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="A name, 'mini-*' or family; repeat for more.",
        autocompletion=completion.complete_labels,
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="A metric or an analysis; repeat for more.",
        autocompletion=completion.complete_measured,
    ),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        "-d",
        metavar="NAME",
        help="A data set; repeat for more.",
        autocompletion=completion.complete_datasets,
    ),
]
StoredDataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        "-d",
        metavar="NAME",
        help="A data set; repeat for more.",
        autocompletion=completion.complete_measured_data,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="auto, cpu, cuda or mps. Default: TM_DEVICE.",
        callback=_device,
        show_default=False,
    ),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option("--data-root", metavar="DIR", help="Data folder, or its parent. Default: TM_DATA."),
]
PreviewOption = Annotated[
    Path | None,
    typer.Option("--preview", metavar="FILE.png", help="Draw a contact sheet of the data set."),
]
SettingOption = Annotated[
    str,
    typer.Option("--setting", metavar="TEXT", help="Prefer this setting, such as 'limit=2'."),
]
LayersOption = Annotated[
    str | None, typer.Option("--layers", metavar="LIST", help="Only these layers: '1,6,12' or '1-3'.")
]
HeadsOption = Annotated[
    str | None, typer.Option("--heads", metavar="LIST", help="Also these heads: '1,6,12', '1-3' or 'all'.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write to this file, not standard output.")
]
WideOption = Annotated[bool, typer.Option("--wide", help="Print full texts, however wide the terminal is.")]
AllOption = Annotated[bool, typer.Option("--all", help="List all names, one per line.")]
EngineOption = Annotated[str, typer.Option("--engine", metavar="NAME", help="What runs forward passes: local or ray.")]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="A running Ray cluster: auto or HOST:PORT. Default: start Ray on this machine.",
    ),
]
ShardsOption = Annotated[
    int | None,
    typer.Option("--shards", metavar="N", help="Parts of each pass on Ray. Default: automatic."),
]
ListFormat: TypeAlias = Literal["table", "json"]
QueryFormat: TypeAlias = Literal["table", "csv", "json", "markdown"]
ReportFormat: TypeAlias = Literal["table", "markdown", "latex", "csv", "json"]
ListFormatOption = Annotated[ListFormat, typer.Option("--format", help="Output format.")]
QueryFormatOption = Annotated[QueryFormat, typer.Option("--format", help="Output format.")]
ReportFormatOption = Annotated[ReportFormat, typer.Option("--format", help="Output format.")]

MAX_NUMBER = 1000  # no model has more layers or heads
ALL = 256  # the heads that 'all' stands for


def single(command: Callable[..., None], text: str) -> typer.Typer:
    """Make a Typer app of one function; ``text`` is its ``--help``."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=text)(command)
    return app


def parse_numbers(text: str | None, option: str) -> tuple[int, ...]:
    """Parse a list of numbers such as ``1,6,12`` or ``1-3``; return them sorted, each once. All heads are ``all``.

    Raises:
        typer.BadParameter: the text is not such a list.
        TeachMattersError: a number is out of range.

    >>> parse_numbers("1-3,12,2", "--layers"), parse_numbers(None, "--layers")
    ((1, 2, 3, 12), ())
    """
    if text is None:
        return ()
    if text == "all" and option == "--heads":
        return tuple(range(1, ALL + 1))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = (piece.strip() for piece in part.partition("-"))
        if not (_is_number(first) and (_is_number(last) if "-" in part else True)):
            raise typer.BadParameter(f"{text!r} is not a list of numbers such as '1,6,12' or '1-3'.", param_hint=option)
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= MAX_NUMBER:
            raise TeachMattersError(f"{option} {text}: numbers must be from 1 to {MAX_NUMBER}, the smaller one first.")
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def at_least(value: float, least: float, option: str) -> None:
    """Check that a number is at least ``least``.

    Raises:
        TeachMattersError: it is smaller, or NaN.
    """
    if not value >= least:
        raise TeachMattersError(f"{option} {value:g} is out of range; it must be at least {least:g}.")


def above(value: float, floor: float, option: str) -> None:
    """Check that a number is finite and above ``floor``.

    Raises:
        TeachMattersError: it is not.
    """
    if not floor < value < float("inf"):
        raise TeachMattersError(f"{option} {value:g} is out of range; it must be above {floor:g}.")


def check_target(path: Path | None, option: str, suffixes: Sequence[str] = ()) -> None:
    """Check, before anything is computed, that a file can be written.

    Raises:
        TeachMattersError: it is a folder or a database, its folder does not exist, or its suffix is not allowed.
    """
    if path is None:
        return
    if suffixes and path.suffix.lower() not in suffixes:
        raise TeachMattersError(f"{option} {str(path)!r}: the name must end in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise TeachMattersError(f"{option} {str(path)!r} is a folder; name a file in it.")
    if path.is_file() and _is_database(path):
        raise TeachMattersError(f"{option} {str(path)!r} is a database and would be overwritten; name another file.")
    if not path.parent.is_dir():
        raise TeachMattersError(f"{option} {str(path)!r}: there is no folder {str(path.parent)!r}; create it first.")


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
