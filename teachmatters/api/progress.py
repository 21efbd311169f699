"""The progress of long work."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A receiver of the progress of a command; the command line shows it."""

    def say(self, text: str) -> None:
        """Show a sentence now."""

    def begin(self, label: str, total: int) -> None:
        """Begin work of ``total`` steps, such as a pass over as many images."""

    def advance(self, count: int) -> None:
        """Count ``count`` more steps as done."""

    def finish(self) -> None:
        """End the work, complete or not."""


class NoProgress:
    """A Progress that shows nothing."""

    def say(self, text: str) -> None: ...

    def begin(self, label: str, total: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def finish(self) -> None: ...
