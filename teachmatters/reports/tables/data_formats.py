"""Rows as text for programs: CSV and JSON, every number as it is. Nothing heavy is imported here."""

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

# What Excel and its like calculate: not a number, nor a sign before digits alone, such as the category @10.
_FORMULA = re.compile(r"(?![=+@-]\d[\d.]*(?:[eE][+-]?\d+)?$)[=+@\t\r-]")


_END = "\r\n"


class Output(Protocol):
    """What rows are written to."""

    def write(self, text: str, /) -> object:
        """Write."""


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], *, terminal: bool = False) -> str:
    r"""Comma-separated, numbers unrounded, nothing for NULL, bytes in base64.

    A text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> to_csv(["a", "b", "c"], [[-0.1, None, "=1+1"]])
    "a,b,c\n-0.1,,'=1+1\n"
    """
    text = io.StringIO()
    write_csv(text, columns, rows, terminal=terminal)
    return text.getvalue()


def write_csv(
    file: Output, columns: Sequence[str], rows: Iterable[Sequence[object]], *, terminal: bool = False
) -> None:
    """What ``to_csv`` gives, row by row; for a terminal without letters that could steer it."""
    writer = csv.writer(_Lines(file), lineterminator=_END)
    writer.writerow([_csv_cell(name, terminal) for name in columns])
    writer.writerows([_csv_cell(value, terminal) for value in row] for row in rows)


class _Lines:
    """Lines that end in a line feed, written by a writer that quotes whatever could end one."""

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
    r"""A list of objects keyed by column; a column that comes twice gets a number; what is not finite is null.

    >>> to_json(["a", "a"], [[1, None]])
    '[\n  {"a": 1, "a_2": null}\n]\n'
    """
    text = io.StringIO()
    write_json(text, columns, rows)
    return text.getvalue()


def write_json(file: Output, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """What ``to_json`` gives, row by row."""
    names = unique(columns)
    before, after = "[\n  ", "[]\n"
    for row in rows:
        file.write(before + json.dumps(dict(zip(names, map(plain, row), strict=True)), allow_nan=False))
        before, after = ",\n  ", "\n]\n"
    file.write(after)


def unique(columns: Sequence[str]) -> list[str]:
    """Names as they are, repeated ones numbered.

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
    """A value as text formats hold it: bytes in base64, all else as it is."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def plain(value: object) -> object:
    """A value as JSON holds it: bytes in base64, nothing for what is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return exact(value)
