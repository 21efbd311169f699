"""teachmatters: what did this way of training teach this vision transformer?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.hookspecs import hookimpl

if TYPE_CHECKING:
    from typing import Unpack

    from teachmatters.measured import AnalyzeOptions, Measured
    from teachmatters.results import Names, Results

__version__ = "0.1.0"
__all__ = ["__version__", "analyze", "hookimpl", "open"]


def open(db: str | Path | None = None) -> Results:  # noqa: A001 (called as teachmatters.open)
    """Open a results store for reading, from Python.

    Args:
        db: the file, or ``bundled`` for the store that comes with the package; by default what TM_DB or the
            configuration names, else ``./results.db``, else the bundled one, as for the commands.

    Raises:
        TeachMattersError: there is none, or it is no store.
    """
    from teachmatters.results import Results

    return Results.open(db)


def analyze(
    model: Names, metric: Names, *, db: str | Path | None = None, **options: Unpack[AnalyzeOptions]
) -> Measured:
    """Measure models on data and record every number in the store, as the command ``tm analyze`` does.

    Numbers that the store already has are reused. A progress bar shows the forward passes, also in notebooks.

    Args:
        model: ``[LABEL=]NAME`` or a pattern, or several.
        metric: an analysis, a metric or a suite, or several.
        db: the store to write; by default what TM_DB or the configuration names, else ``./results.db``.
        options: those of the command, by name: ``data``, ``weights`` and ``supervision`` (one or several),
            ``data_root``, ``device``, ``dtype``, ``batch_size``, ``limit``, ``seed``, ``force``; and ``params``, a
            dict.

    Returns:
        the store, with ``best``, a table of what this call measured or reused.

    Raises:
        TeachMattersError: a name, an option or a file is wrong, or a model failed; the others are recorded.
    """
    from teachmatters.measured import measure

    return measure(model, metric, db, options)
