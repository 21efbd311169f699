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
from typing import TYPE_CHECKING, NoReturn, TextIO

from teachmatters.errors import TeachMattersError
from teachmatters.reports.tables import data_formats, formats
from teachmatters.reports.tables.atomic_write import atomic_write
from teachmatters.reports.tables.formats import Bold, Format

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


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
    """Print a message to standard error; ignore a failure to write it."""
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
) -> None:
    """Print a table to standard output, in any format.

    Args:
        columns: names.
        rows: one value per column; None is an empty cell.
        style: the format.
        bold: positions (row, column), from 0, of the cells to print bold.
        labels: number of leading columns that name the rows; they repeat where a table is too wide for the terminal.
    """
    if style == "csv":
        with _standard_output() as out:
            data_formats.write_csv(out, columns, rows, terminal=_on_terminal())
    elif style == "json":
        with _standard_output() as out:
            data_formats.write_json(out, columns, rows)
    else:
        emit(render(columns, rows, style, bold, labels))


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
            return data_formats.to_csv(columns, rows, terminal=not to_file and _on_terminal())
        case "json":
            return data_formats.to_json(columns, rows)
        case "markdown":
            return formats.markdown(columns, rows, bold)
        case "latex":
            return formats.latex(columns, rows, bold)
    width, strong = (None, ("", "")) if to_file else _terminal()
    return formats.table(columns, rows, bold, width=width, labels=labels, strong=strong)


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


class Bar:
    """A progress bar on standard error, one at a time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def say(self, text: str) -> None:
        """Print a message above the bar."""
        self._progress.console.print(formats.visible(text), markup=False, highlight=False, soft_wrap=True)

    def begin(self, label: str, total: int) -> None:
        """Replace the current bar by one of ``total`` steps."""
        self.finish()
        self._task = self._progress.add_task(formats.visible(label), total=total)

    def advance(self, n: int) -> None:
        """Advance by ``n`` steps."""
        if self._task is not None:
            self._progress.advance(self._task, n)

    def finish(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


class Log:
    """Progress for a log file: a line every 30 seconds, none for short work."""

    EVERY = 30.0  # seconds

    def __init__(self) -> None:
        self.begin("", 0)

    def say(self, text: str) -> None:
        """Print a message."""
        say(text)

    def begin(self, label: str, total: int) -> None:
        """Start counting ``total`` steps."""
        self._label, self._total, self._done = label, total, 0
        self._start = self._last_print = time.monotonic()

    def advance(self, n: int) -> None:
        """Advance by ``n`` steps."""
        self._done += n
        now = time.monotonic()
        if now - self._last_print >= self.EVERY and self._done < self._total:
            self._last_print = now
            left = (now - self._start) / self._done * (self._total - self._done)
            say(f"{self._label}: {self._done:,} of {self._total:,}, about {left:,.0f} s left")

    def finish(self) -> None:
        """Stop counting."""


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
def progress() -> Iterator[Bar | Log]:
    """Show progress with an estimate of the time left: a bar on a terminal, lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Log()
        return
    with Progress(*columns, console=console, transient=True) as display:
        bar = Bar(display)
        try:
            yield bar
        finally:
            bar.finish()


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


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _terminal() -> tuple[int | None, tuple[str, str]]:
    """Return the terminal's width and codes for bold; None and empty codes if standard output is no terminal."""
    if not _on_terminal():
        return None, ("", "")
    strong = ("", "") if os.environ.get("TERM") == "dumb" else ("\x1b[1m", "\x1b[0m")
    return shutil.get_terminal_size().columns, strong


def _close_quietly(stream: TextIO) -> None:
    """Redirect the stream to the null device, so that the interpreter's last flush does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
