"""Shared parts of all figures: style, panels, the layer axis and saving. Without pyplot there is no global state."""

from __future__ import annotations

import logging
import math
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.style import context
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports.figures.style import Look
from teachmatters.reports.tables.atomic_write import atomic_write

LOG = logging.getLogger(__name__)

PANEL = (3.0, 2.5)
TITLE = 2.6  # inches of a panel's width that a title may take
LONGEST = 30
LETTERS = 14  # characters of small print per inch
LETTER = 0.075  # about the width of a character of a title, in inches

MOST_LAYERS = 2000  # in a square of layer pairs

# For artists inside a panel, so that the layout engine need not measure a thousand labels.
INSIDE: dict[str, Any] = {"in_layout": False}

SOFTWARE = "teachmatters"  # in the metadata of our PNG files

_LOOK: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "pdf.fonttype": 42,
    "svg.hashsalt": "teachmatters",
}


@contextmanager
def look(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Use our style, with some changes, instead of the user's matplotlibrc, for the duration of a with block."""
    with context({**_LOOK, **(changes or {})}, after_reset=True):
        yield


@contextmanager
def letters_told(name: str) -> Iterator[None]:
    """Log one line with the characters that the font lacks, in place of matplotlib's warning for each.

    Args:
        name: the name of the figure, for the message.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing: dict[str, None] = {}
    for one in caught:
        if found := re.match(r"Glyph (\d+) ", str(one.message)):
            missing[chr(int(found[1]))] = None
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if missing:
        LOG.warning("%s: the font lacks %s, which are drawn as boxes", name, listing(missing))


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically, in the format of the file's suffix.

    Raises:
        TeachMattersError: the file cannot be written.
    """
    # Without a date, the same numbers give the same file.
    metadata = {".png": {"Software": SOFTWARE}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[
        path.suffix.lower()
    ]
    with atomic_write(path) as part, look(), letters_told(path.name):
        figure.savefig(part, dpi=160, format=path.suffix.lower()[1:], metadata=metadata)


def label(text: str, longest: int = LONGEST) -> str:
    r"""Return a name for a figure: no formula, no unprintable characters, shortened in the middle if very long.

    >>> label("a$b$"), label("x" * 20 + "y" * 20, longest=9), label("_dino")
    ('a\\$b\\$', 'xxxx…yyyy', ' _dino')
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(shown) > longest:
        half = (longest - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    # A leading underscore would hide the name from legends.
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def heading(text: str, longest: int = LONGEST) -> str:
    """Return a title of one or several lines, each as ``label`` makes it."""
    return "\n".join(label(line, longest) for line in text.splitlines())


def wrapped(text: str, inches: float, lines: int = 3) -> str:
    r"""Return a title or axis label as lines of a width; text beyond about this many lines is left out of its middle.

    >>> wrapped("k-NN top-1 accuracy / scenes [limit=150]", 2.0)
    'k-NN top-1 accuracy /\nscenes [limit=150]'
    """
    letters = max(8, int(inches / LETTER))
    return "\n".join(textwrap.wrap(label(text, longest=lines * letters), letters, break_on_hyphens=False))


def narrow(name: str, inches: float) -> str:
    r"""Return a name as lines that fit a column, broken inside words if need be.

    >>> narrow("mini CLIP", 0.6), narrow("my-checkpoint@120000", 0.8)
    ('mini\nCLIP', 'my-checkpo\nint@120000')
    """
    return "\n".join(textwrap.wrap(label(name), max(5, int(inches / LETTER)), break_on_hyphens=False))


def caption(figure: Figure, text: str) -> None:
    """Add small print at the top, wrapped to the figure's width; the figure grows by these lines."""
    width, height = figure.get_size_inches()
    letters = int(width * LETTERS)
    lines = textwrap.wrap(label(text, longest=3 * letters), letters, break_on_hyphens=False)
    figure.set_size_inches(width, height + 0.15 * max(0, len(lines) - 1))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize="small", alpha=0.7)


def panels(
    count: int, columns: int = 4, size: tuple[float, float] = PANEL, *, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """Make a figure with exactly ``count`` panels on a shared layer axis."""
    columns = min(count, columns)
    rows = math.ceil(count / columns)
    # A single panel gets more room.
    width, height = (4.4, 3.4) if count == 1 else (columns * size[0], rows * size[1])
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=share, squeeze=False)
    flat: list[Axes] = list(grid.flat)
    for empty in flat[count:]:
        empty.remove()
    for place in range(max(0, count - columns), count):
        flat[place].tick_params(labelbottom=True)
    return figure, flat[:count]


def across(rows: Iterable[Mapping[str, Any]], most: int) -> int:
    """Return the number of panels per row, about ``most``, keeping a model's data sets in one row.

    >>> two = [{"dataset": "a", "split": "all"}, {"dataset": "b", "split": "all"}]
    >>> across(two, 3), across(two[:1], 3)
    (4, 3)
    """
    sets = len({(row["dataset"], row["split"]) for row in rows})
    return sets * max(1, math.floor(most / sets + 0.5)) if sets <= most else most


def same_depth(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Return True if layers can be compared by their number: all models have the same depth."""
    return len({row.get("depth") for row in rows}) <= 1


def position(row: Mapping[str, Any], by_number: bool) -> float:
    """Return a layer's position: its number, or its share of the model's depth."""
    depth = row.get("depth") or row["layer"]
    return float(row["layer"] if by_number else row["layer"] / depth)


def layer_axis(axes: Sequence[Axes], rows: Sequence[Mapping[str, Any]], below: Sequence[Axes]) -> None:
    """Set up the layer axis of all panels; label it on the panels in ``below``."""
    by_number = same_depth(rows)
    first, last = min(row["layer"] for row in rows), max(row["layer"] for row in rows)
    for ax in axes:
        if by_number:
            ax.set_xlim(first - 0.5, last + 0.5)
            ax.set_xticks(whole_ticks(first, last, most=12 if len(axes) == 1 else 6))
        else:
            ax.set_xlim(0, 1.03)
    for ax in below:
        ax.set_xlabel("Layer" if by_number else "Relative depth")


def blank(up: int, right: int) -> NDArray[np.float64]:
    """Return an array of NaN with one element per pair of layers.

    Raises:
        TeachMattersError: it would be too large for a figure.
    """
    if max(up, right) > MOST_LAYERS:
        raise TeachMattersError(
            f"a figure of {up:,} by {right:,} layers is too large; select some of them with --layers."
        )
    return np.full((up, right), np.nan)


def whole_ticks(first: int, last: int, most: int) -> list[int]:
    """Return evenly spaced layers that end with the last one.

    >>> whole_ticks(1, 12, most=6), whole_ticks(1, 1, most=6)
    ([2, 4, 6, 8, 10, 12], [1])
    """
    step = max(1, math.ceil((last - first + 1) / most))
    return list(range(last, first - 1, -step))[::-1]


def bottom(axes: Sequence[Axes], columns: int = 4) -> Sequence[Axes]:
    """Return the panels of the bottom row."""
    return axes[-min(len(axes), columns) :]


def legend(figure: Figure, entries: Mapping[str, Look], others: Mapping[str, Artist] | None = None) -> None:
    """Add a legend of the models, and of other marks by their names, below the panels; the figure grows by it."""
    handles: dict[str, Artist] = {
        label(one.title or name, longest=48): Line2D([], [], color=one.colour, linestyle=one.line, marker=one.marker)
        for name, one in entries.items()
    }
    handles |= others or {}
    width, height = figure.get_size_inches()
    columns = max(1, int((width - 0.2) // (0.62 + 0.06 * max(map(len, handles)))))
    figure.set_size_inches(width, height + 0.1 + 0.19 * math.ceil(len(handles) / columns))
    names = list(handles)
    figure.legend(
        _by_rows(list(handles.values()), columns), _by_rows(names, columns), loc="outside lower center",
        ncols=columns, handlelength=2.2, columnspacing=1.4,
    )  # fmt: skip


def _by_rows(entries: list[Any], columns: int) -> list[Any]:
    """Reorder a legend's entries, which matplotlib fills in by column, to be read along rows.

    >>> _by_rows(["a", "b", "c", "d", "e"], 2)
    ['a', 'c', 'e', 'b', 'd']
    """
    return [entry for start in range(columns) for entry in entries[start::columns]]
