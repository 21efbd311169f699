"""Displays of progress: a bar on a terminal, a bar in a notebook, an occasional line elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.reports.tables.formats import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A progress bar on standard error, one at a time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def say(self, text: str) -> None:
        """Print a message above the bar."""
        self._progress.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def begin(self, label: str, total: int) -> None:
        """Replace the current bar by one of ``total`` steps."""
        self.finish()
        self._task = self._progress.add_task(visible(label), total=total)

    def advance(self, count: int) -> None:
        """Advance by ``count`` steps."""
        if self._task is not None:
            self._progress.advance(self._task, count)

    def finish(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


class NotebookBar:
    """A progress bar in the output of a notebook's cell; it needs no widgets."""

    EVERY = 0.2  # seconds between updates

    def __init__(self, show: Callable[..., Any], markup: Callable[[str], Any]) -> None:
        self._show, self._markup = show, markup  # IPython's display and HTML
        self._handle: Any = None

    def say(self, text: str) -> None:
        """Print a message."""
        print(visible(text))  # noqa: T201  a notebook shows standard output in the cell

    def begin(self, label: str, total: int) -> None:
        """Replace the current bar by one of ``total`` steps."""
        self.finish()
        self._label, self._total, self._done, self._drawn = visible(label), total, 0, time.monotonic()
        self._handle = self._show(self._bar(), display_id=True)

    def advance(self, count: int) -> None:
        """Advance by ``count`` steps."""
        if self._handle is None:
            return
        self._done += count
        if time.monotonic() - self._drawn >= self.EVERY:
            self._drawn = time.monotonic()
            self._handle.update(self._bar())

    def finish(self) -> None:
        """Remove the bar."""
        if self._handle is not None:
            self._handle.update(self._markup(""))
            self._handle = None

    def _bar(self) -> Any:
        return self._markup(
            f"<progress value='{self._done}' max='{self._total}'></progress> "
            f"{html.escape(self._label)}: {self._done:,} of {self._total:,}"
        )


class Log:
    """Progress for a log file: a line every 30 seconds, none for short work."""

    EVERY = 30.0  # seconds

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.begin("", 0)

    def begin(self, label: str, total: int) -> None:
        """Start counting ``total`` steps."""
        self._label, self._total, self._done = label, total, 0
        self._start = self._last_print = time.monotonic()

    def advance(self, count: int) -> None:
        """Advance by ``count`` steps."""
        self._done += count
        now = time.monotonic()
        if now - self._last_print >= self.EVERY and self._done < self._total:
            self._last_print = now
            left = (now - self._start) / self._done * (self._total - self._done)
            self.say(f"{self._label}: {self._done:,} of {self._total:,}, about {left:,.0f} s left")

    def finish(self) -> None:
        """Stop counting."""


Display: TypeAlias = Bar | NotebookBar | Log


@contextmanager
def shown(say: Callable[[str], None]) -> Iterator[Display]:
    """Show progress with an estimate of the time left; ``say`` prints the messages where there is no bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar: Display
    if (notebook := _notebook()) is not None:
        bar = NotebookBar(*notebook)
        try:
            yield bar
        finally:
            bar.finish()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Log(say)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as display:
        bar = Bar(display)
        try:
            yield bar
        finally:
            bar.finish()


def _notebook() -> tuple[Callable[..., Any], Callable[[str], Any]] | None:
    """Return IPython's ``display`` and ``HTML`` in the kernel of a notebook, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import HTML, display

    return display, HTML
