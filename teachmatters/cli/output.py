"""The only place that prints: data on standard output, talk and progress on standard error."""

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
    """Put data on standard output. A reader that went away (``tm query ... | head``) ends the program in silence.

    Raises:
        TeachMattersError: it cannot be written, the disk being full or the stream closed.
    """
    with _standard_output() as out:
        out.write(text if text.endswith("\n") or not text else text + "\n")


def leave_quietly() -> NoReturn:
    """Exit with 0 and without a word: whoever read standard output has seen enough."""
    _close_quietly(sys.stdout)
    raise SystemExit(0) from None


def say(text: str) -> None:
    """Tell the person at the terminal something, on standard error; where it cannot be written, nobody."""
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
    """Put a table on standard output, in any format.

    Args:
        columns: names.
        rows: one value for each column; None is nothing.
        style: the format.
        bold: positions (row, column), from 0, of cells to stress.
        labels: how many leading columns name the rows; they are repeated where a table is too wide for the terminal.
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
    """The text of a table as ``emit_table`` would print it; for a file without regard to the terminal."""
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
    """Lines of prose, folded between words where a terminal is narrower than they are."""
    width = None if to_file else _terminal()[0]
    return "\n".join(
        line if width is None else textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False)
        for line in map(formats.visible, lines)
    )


def write_file(path: Path, text: str) -> None:
    """Write a file that was asked for, whole or not at all, and say so.

    Raises:
        TeachMattersError: it cannot be written.
    """
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
    say(f"Wrote {path}")


class Bar:
    """One bar at a time on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def say(self, text: str) -> None:
        """Say a sentence above the bar."""
        self._progress.console.print(formats.visible(text), markup=False, highlight=False, soft_wrap=True)

    def begin(self, label: str, total: int) -> None:
        """Start a bar of ``total`` steps in place of the last one."""
        self.finish()
        self._task = self._progress.add_task(formats.visible(label), total=total)

    def advance(self, n: int) -> None:
        """Go ``n`` steps on."""
        if self._task is not None:
            self._progress.advance(self._task, n)

    def finish(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


class Log:
    """What a log file gets in place of a bar: a line now and then, none for what is soon over."""

    EVERY = 30.0  # seconds

    def __init__(self) -> None:
        self.begin("", 0)

    def say(self, text: str) -> None:
        """Say a sentence."""
        say(text)

    def begin(self, label: str, total: int) -> None:
        """Start to count ``total`` steps."""
        self._label, self._total, self._done = label, total, 0
        self._start = self._said = time.monotonic()

    def advance(self, n: int) -> None:
        """Go ``n`` steps on."""
        self._done += n
        now = time.monotonic()
        if now - self._said >= self.EVERY and self._done < self._total:
            self._said = now
            left = (now - self._start) / self._done * (self._total - self._done)
            say(f"{self._label}: {self._done:,} of {self._total:,}, about {left:,.0f} s left")

    def finish(self) -> None:
        """Stop counting."""


class Pulse:
    """A line now and then about work whose end is not known; none about what is soon over."""

    EVERY = 5.0  # seconds

    def __init__(self) -> None:
        self._said = time.monotonic()

    def beat(self, label: str, count: int) -> None:
        """Say how far it is, if it is time to."""
        if time.monotonic() - self._said >= self.EVERY:
            self._said = time.monotonic()
            say(f"{label}: {count:,} rows so far")


@contextmanager
def progress() -> Iterator[Bar | Log]:
    """A display of progress with an estimate of the time left: a bar on a terminal, lines elsewhere."""
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
    """A stream on which what its encoding does not know is escaped rather than lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> None:
        """Write."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


@contextmanager
def _standard_output() -> Iterator[_Escaping]:
    """Standard output, for a while; see emit."""
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
    """Write at once."""
    if stream is None:  # closed before the program began
        return
    _Escaping(stream).write(text)
    stream.flush()


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _terminal() -> tuple[int | None, tuple[str, str]]:
    """Width and codes for bold where standard output is a terminal; no limit and none where it is not."""
    if not _on_terminal():
        return None, ("", "")
    strong = ("", "") if os.environ.get("TERM") == "dumb" else ("\x1b[1m", "\x1b[0m")
    return shutil.get_terminal_size().columns, strong


def _close_quietly(stream: TextIO) -> None:
    """Point the stream at nothing, so that the interpreter's last flush does not complain either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
