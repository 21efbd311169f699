"""teachmatters: what did this way of training teach this vision transformer?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.hookspecs import hookimpl

if TYPE_CHECKING:
    from teachmatters.results import Results

__version__ = "0.1.0"
__all__ = ["__version__", "hookimpl", "open"]


def open(db: str | Path | None = None) -> Results:  # noqa: A001 (called as teachmatters.open)
    """Open a results store for reading, from Python.

    Args:
        db: the file; by default what TM_DB names, else ``./results.db``, else the store that comes with the package.

    Raises:
        TeachMattersError: there is none, or it is no store.
    """
    from teachmatters.results import Results

    return Results.open(db)
