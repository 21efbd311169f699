"""Calls with a time limit, which Ctrl-C ends at once.

SQLite can be interrupted only between two steps of its program, and one step, such as ``instr`` on megabytes, may take
hours; Python handles no signal while SQLite works. So SQLite works on another thread, and the calling thread stops
waiting for it when the time is over.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

LOOK = 100_000  # steps of SQLite's program between two checks for Ctrl-C
GRACE = 0.3  # seconds for an interrupted step to end
STEP = 0.02  # seconds between two interrupts


@contextlib.contextmanager
def hearing(connection: sqlite3.Connection) -> Iterator[None]:
    """Let Ctrl-C interrupt SQL on this thread, by running Python regularly, which then handles the signal."""
    connection.set_progress_handler(lambda: 0, LOOK)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:  # Ctrl-C was raised inside the handler
            raise KeyboardInterrupt from error
        raise
    finally:
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed meanwhile
            connection.set_progress_handler(None, LOOK)


class Deadline:
    """A thread that runs steps one at a time until a deadline.

    Attributes:
        lost: whether a step could not be stopped. It then runs until the process ends, and its connection must not be
            closed, because closing would wait for it.
    """

    def __init__(self, seconds: float, interrupt: Callable[[], None]) -> None:
        """Start the clock; ``interrupt`` asks the running step to stop."""
        self.lost = False
        self._end = time.monotonic() + seconds
        self._interrupt = interrupt
        self._steps: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, step: Callable[[], T]) -> T:
        """Run a step on the thread.

        Raises:
            TimeoutError: the time is over.
        """
        left = min(self._end - time.monotonic(), threading.TIMEOUT_MAX)
        if left <= 0:
            raise TimeoutError
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._steps.put(step)
        try:
            found, error = self._outcomes.get(timeout=left)
        except queue.Empty:
            self._stop()
            raise TimeoutError from None
        except BaseException:  # Ctrl-C
            self._stop()
            raise
        if error is not None:
            raise error
        result: T = found
        return result

    def _stop(self) -> None:
        self.lost = True
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            self._interrupt()
            try:
                self._outcomes.get(timeout=STEP)
            except queue.Empty:
                continue
            self.lost = False
            return

    def _work(self) -> None:
        while step := self._steps.get():
            try:
                outcome: tuple[Any, BaseException | None] = (step(), None)
            except BaseException as error:  # noqa: BLE001 (raised on the waiting thread)
                outcome = (None, error)
            self._outcomes.put(outcome)
            del step, outcome

    def close(self) -> None:
        """Let the thread end."""
        self._steps.put(None)
