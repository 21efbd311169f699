"""Rows as CSV and JSON for programs, with unrounded numbers. Imports nothing heavy."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from teachmatters.reports.tables.formats import visible

# Text that spreadsheets take for a formula: not a number, nor a sign before digits alone, such as the category @10.
_FORMULA = re.compile(r"(?![=+@-]\d[\d.]*(?:[eE][+-]?\d+)?$)[=+@\t\r-]")


_END = "\r\n"


class Output(Protocol):
    """A text file or anything else with ``write``."""

    def write(self, text: str, /) -> object:
        """Write a text."""


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], *, terminal: bool = False) -> str:
    r"""Return rows as CSV: unrounded numbers, an empty cell for NULL, bytes in base64.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.

    >>> to_csv(["a", "b", "c"], [[-0.1, None, "=1+1"]])
    "a,b,c\n-0.1,,'=1+1\n"
    """
    text = io.StringIO()
    write_csv(text, columns, rows, terminal=terminal)
    return text.getvalue()


def write_csv(
    file: Output, columns: Sequence[str], rows: Iterable[Sequence[object]], *, terminal: bool = False
) -> None:
    """Write CSV as ``to_csv``, row by row; for a terminal, with control characters escaped."""
    writer = csv.writer(_Lines(file), lineterminator=_END)
    writer.writerow([_csv_cell(name, terminal) for name in columns])
    writer.writerows([_csv_cell(value, terminal) for value in row] for row in rows)


class _Lines:
    """A file for ``csv.writer`` that ends lines in a line feed, while the writer still quotes carriage returns."""

    def __init__(self, file: Output) -> None:
        self._file = file

    def write(self, line: str, /) -> None:
        """Write a line."""
        self._file.write(line.removesuffix(_END) + "\n")


def _csv_cell(value: object, terminal: bool) -> object:
    if not isinstance(value, str):
        return exact(value)
    text = visible(value) if terminal else value
    return f"'{text}" if _FORMULA.match(text) else text


def to_json(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return rows as a JSON list of objects: repeated columns are numbered, and values that are not finite are null.

    >>> to_json(["a", "a"], [[1, None]])
    '[\n  {"a": 1, "a_2": null}\n]\n'
    """
    text = io.StringIO()
    write_json(text, columns, rows)
    return text.getvalue()


def write_json(file: Output, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write JSON as ``to_json``, row by row."""
    names = unique(columns)
    before, after = "[\n  ", "[]\n"
    for row in rows:
        file.write(before + json.dumps(dict(zip(names, map(plain, row), strict=True)), allow_nan=False))
        before, after = ",\n  ", "\n]\n"
    file.write(after)


def unique(columns: Sequence[str]) -> list[str]:
    """Return the names, with repeated ones numbered.

    >>> unique(["a", "a", "a_2"])
    ['a', 'a_2', 'a_2_2']
    """
    names: list[str] = []
    for name in columns:
        fresh, count = name, 2
        while fresh in names:
            fresh, count = f"{name}_{count}", count + 1
        names.append(fresh)
    return names


def exact(value: object) -> object:
    """Return a value for text formats: bytes in base64, anything else unchanged."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def plain(value: object) -> object:
    """Return a value for JSON: bytes in base64, None for a number that is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return exact(value)
