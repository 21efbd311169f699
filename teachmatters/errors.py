"""The errors that a user is meant to read, and helpers for their messages.

Every message is one line that says what was given, what is allowed and what to do next. The command line prints
it and exits with 1. Any other exception that reaches the user is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 4000  # characters of a message


class TeachMattersError(Exception):
    r"""An error that the user can correct; ``str(error)`` is one line that is safe to show.

    >>> str(TeachMattersError("first\nsecond"))
    'first second'
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        # The message may quote a file of megabytes: its ends are enough.
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}")


class UnknownNameError(TeachMattersError):
    """An unknown name.

    >>> str(UnknownNameError("model", "dino-b61", ["dino-b16", "mae-b16"], "'tm models' lists all 2."))
    "unknown model 'dino-b61'. Did you mean 'dino-b16'? 'tm models' lists all 2."
    """

    def __init__(self, kind: str, given: str, known: Iterable[str], advice: str) -> None:
        super().__init__(f"unknown {kind} {given!r}. {did_you_mean(given, known)}{advice}")


class SqlError(TeachMattersError):
    """A query that the store rejects: its SQL is wrong, or it does more than read."""


class DamagedError(TeachMattersError):
    """A damaged store. Nothing in it can be trusted."""


class NothingToShowError(TeachMattersError):
    """A request for numbers that the store does not hold."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ``"Did you mean 'x'? "`` for the known name nearest to the given one, or an empty string.

    >>> did_you_mean("attn-distanse", ["attn-distance", "knn-top1"])
    "Did you mean 'attn-distance'? "
    >>> did_you_mean("zzz", ["attn-distance"])
    ''
    """
    names = list(known)
    # Two letters of a short name may be all there are.
    near = (
        difflib.get_close_matches(given.lower(), names, n=1, cutoff=0.6)
        or [name for name in names if sorted(name) == sorted(given.lower())][:1]
    )
    return f"Did you mean {near[0]!r}? " if near else ""


def listing(names: Iterable[str], most: int = 8) -> str:
    """Return a short list of names for a message.

    >>> listing(["a", "b", "c"], most=2)
    'a, b, ... (3 in all)'
    """
    every = list(names)
    if not every:
        return "nothing"
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown}, ... ({len(every)} in all)"
