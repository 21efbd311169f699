"""The only module that prints: data to standard output, messages and progress to standard error."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

from teachmatters.errors import TeachMattersError
from teachmatters.progress import Display, Log, shown
from teachmatters.reports.tables import data_formats, formats
from teachmatters.reports.tables.atomic_write import atomic_write
from teachmatters.reports.tables.formats import Bold, Format

SCREEN = 24  # lines of the smallest terminal
LEAST = 8  # lines of a table, even if much follows it

QUIET, NORMAL, VERBOSE = -1, 0, 1
level = NORMAL  # of messages; set by -v and -q


def emit(text: str) -> None:
    """Write data to standard output. If the reader closed the pipe (``tm query ... | head``), exit silently.

    Raises:
        TeachMattersError: it cannot be written: the disk is full or the stream is closed.
    """
    with _standard_output() as out:
        out.write(text if text.endswith("\n") or not text else text + "\n")


def leave_quietly() -> NoReturn:
    """Exit silently with 0: the reader of standard output closed the pipe."""
    _close_quietly(sys.stdout)
    raise SystemExit(0) from None


def say(text: str) -> None:
    """Print a message to standard error, unless -q was given."""
    if level > QUIET:
        complain(text)


def detail(text: str) -> None:
    """Print a message to standard error if -v was given."""
    if level >= VERBOSE:
        complain(text)


def complain(text: str) -> None:
    """Print an error to standard error; ignore a failure to write it."""
    try:
        _write(sys.stderr, "".join(formats.visible(line) + "\n" for line in text.rstrip("\n").split("\n")))
    except OSError:
        _close_quietly(sys.stderr)


def emit_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    style: Format = "table",
    bold: Bold = (),
    labels: int = 1,
    *,
    whole: bool = True,
) -> None:
    """Print a table to standard output, in any format.

    Args:
        columns: names.
        rows: one value per column; None is an empty cell.
        style: the format.
        bold: positions (row, column), from 0, of the cells to print bold.
        labels: number of leading columns that name the rows; they repeat where a table is too wide for the terminal.
        whole: False to print a terminal no more than two screens, as ``beginning`` does.
    """
    if style == "csv":
        with _standard_output() as out:
            data_formats.write_csv(out, columns, rows, terminal=on_terminal())
    elif style == "json":
        with _standard_output() as out:
            data_formats.write_json(out, columns, rows)
    else:
        text = render(columns, rows, style, bold, labels)
        emit(text if whole or style != "table" else beginning(text))


def render(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    style: Format = "table",
    bold: Bold = (),
    labels: int = 1,
    *,
    to_file: bool = False,
) -> str:
    """Return a table as ``emit_table`` prints it; with ``to_file``, ignore the terminal's width and style."""
    match style:
        case "csv":
            return data_formats.to_csv(columns, rows, terminal=not to_file and on_terminal())
        case "json":
            return data_formats.to_json(columns, rows)
        case "markdown":
            return formats.markdown(columns, rows, bold)
        case "latex":
            return formats.latex(columns, rows, bold)
    width, strong = (None, ("", "")) if to_file else _terminal()
    return formats.table(columns, rows, bold, width=width, labels=labels, strong=strong)


def beginning(text: str, below: int = 0) -> str:
    """Return the part of a table that fits on two screens of the terminal, and a line that counts the rest.

    The text stays whole with -v, and where standard output is not a terminal.

    Args:
        text: a table; a blank line separates the parts of one that is wider than the terminal.
        below: number of lines that follow it.
    """
    lines = text.rstrip("\n").split("\n")
    # Five are for the count, the shell's prompt and remarks: which store is read, and that it has more rows.
    room = 2 * max(shutil.get_terminal_size().lines, SCREEN) - 5 - below
    if len(lines) <= room + 1 or level >= VERBOSE or not on_terminal():
        return text
    kept = lines[: max(room, LEAST)]
    if "" in kept:
        kept = kept[: len(kept) - 1 - kept[::-1].index("")]  # whole parts only
    return "\n".join([*kept, f"... {len(lines) - len(kept):,} more lines; -v prints all"]) + "\n"


def fitted(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the rows with their longest texts cut, so that each takes one line of a terminal."""
    width = shutil.get_terminal_size().columns
    cells = [[formats.visible(text) for text in row] for row in rows]
    sizes = [max(len(name), *(len(row[j]) for row in cells), 0) for j, name in enumerate(columns)]
    while sum(sizes) + 2 * (len(sizes) - 1) > width:
        # The first column has the names to type, and a heading explains its column.
        cuttable = [j for j in range(1, len(sizes)) if sizes[j] > len(columns[j])]
        if not cuttable:
            break
        sizes[max(cuttable, key=lambda j: sizes[j])] -= 1
    return [[_cut(text, size) for text, size in zip(row, sizes, strict=True)] for row in cells]


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: max(size - 2, 0)].rstrip(" ,;") + ".."


def paragraphs(lines: Iterable[str], *, to_file: bool = False) -> str:
    """Join lines of prose, each wrapped between words to the width of the terminal."""
    width = None if to_file else _terminal()[0]
    return "\n".join(
        line if width is None else textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False)
        for line in map(formats.visible, lines)
    )


def write_file(path: Path, text: str) -> None:
    """Write a file atomically and report it.

    Raises:
        TeachMattersError: it cannot be written.
    """
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
    say(f"Wrote {path}")


class Pulse:
    """Progress of work of unknown length: a line every 5 seconds, none for short work."""

    EVERY = 5.0  # seconds

    def __init__(self) -> None:
        self._last_print = time.monotonic()

    def beat(self, label: str, count: int) -> None:
        """Print the count if the last line is old enough."""
        if time.monotonic() - self._last_print >= self.EVERY:
            self._last_print = time.monotonic()
            say(f"{label}: {count:,} rows so far")


@contextmanager
def progress() -> Iterator[Display]:
    """Show progress with an estimate of the time left: a bar on a terminal, lines elsewhere, nothing with -q."""
    if level == QUIET:
        yield Log(say)
        return
    with shown(say) as display:
        yield display


class _Escaping:
    """A stream that escapes the characters that its encoding lacks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> None:
        """Write text."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


@contextmanager
def _standard_output() -> Iterator[_Escaping]:
    """Yield standard output and handle its errors as ``emit`` documents."""
    if sys.stdout is None:
        raise TeachMattersError("cannot write to standard output: it is closed.")
    try:
        yield _Escaping(sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()
    except OSError as error:
        _close_quietly(sys.stdout)
        raise TeachMattersError(f"cannot write to standard output: {error.strerror or error}.") from error


def _write(stream: TextIO | None, text: str) -> None:
    """Write and flush."""
    if stream is None:  # closed before the program began
        return
    _Escaping(stream).write(text)
    stream.flush()


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def _terminal() -> tuple[int | None, tuple[str, str]]:
    """Return the terminal's width and codes for bold; None and empty codes if standard output is no terminal."""
    if not on_terminal():
        return None, ("", "")
    strong = ("", "") if os.environ.get("TERM") == "dumb" else ("\x1b[1m", "\x1b[0m")
    return shutil.get_terminal_size().columns, strong


def _close_quietly(stream: TextIO) -> None:
    """Redirect the stream to the null device, so that the interpreter's last flush does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
