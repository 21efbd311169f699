"""The one kind of error that a user is meant to read, and the words it is made of.

Every message is a single line that says what was given, what is allowed and what to do next. The command
line prints it and exits with 1; anything else that escapes is a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 4000  # letters of a message


class TeachMattersError(Exception):
    r"""Something the user can put right; ``str(error)`` is one line that is safe to show.

    >>> str(TeachMattersError("first\nsecond"))
    'first second'
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        # What was given may be a file's: of megabytes nobody reads more than the ends.
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}")


class UnknownNameError(TeachMattersError):
    """A name that nothing answers to.

    >>> str(UnknownNameError("model", "dino-b61", ["dino-b16", "mae-b16"], "'tm models' lists all 2."))
    "unknown model 'dino-b61'. Did you mean 'dino-b16'? 'tm models' lists all 2."
    """

    def __init__(self, kind: str, given: str, known: Iterable[str], advice: str) -> None:
        super().__init__(f"unknown {kind} {given!r}. {did_you_mean(given, known)}{advice}")


class SqlError(TeachMattersError):
    """The store does not take a query: it is wrong, or does something else than read."""


class DamagedError(TeachMattersError):
    """The store holds what no store of ours does: nothing in it is to be believed."""


class NothingToShowError(TeachMattersError):
    """The store holds no number of what was asked for."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``"Did you mean 'x'? "`` for the known name nearest to the one given, or nothing.

    >>> did_you_mean("attn-distanse", ["attn-distance", "knn-top1"])
    "Did you mean 'attn-distance'? "
    >>> did_you_mean("zzz", ["attn-distance"])
    ''
    """
    near = difflib.get_close_matches(given.lower(), list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}? " if near else ""


def listing(names: Iterable[str], most: int = 8) -> str:
    """A short enumeration for a message.

    >>> listing(["a", "b", "c"], most=2)
    'a, b, ... (3 in all)'
    """
    every = list(names)
    if not every:
        return "nothing"
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown}, ... ({len(every)} in all)"
