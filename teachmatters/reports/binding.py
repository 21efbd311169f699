"""A report's SQL with every value written into it, so that what is printed is what was run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports.options import BINDS, Options

PLACES = "metric_places"
"""What a query binds beside the options: the metrics as rows, each with its place, from 0."""

# Texts, quoted names and comments are passed over; a name after one colon is what we look for.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?<!:):([A-Za-z_]\w*)""", re.DOTALL)


def names(sql: str) -> set[str]:
    """The names that a query binds.

    >>> sorted(names("SELECT ':a' FROM t -- :b" + chr(10) + "WHERE x IN (:models) AND y = :setting"))
    ['models', 'setting']
    """
    return {match[1] for match in _TOKEN.finditer(sql) if match[1]}


def literal(value: object) -> str:
    """A value as SQL. A list is written without brackets; nothing, and an empty list, is NULL.

    >>> literal("o'brien"), literal((1, 6)), literal(())
    ("'o''brien'", '1, 6', 'NULL')
    """
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, tuple):
        return ", ".join(literal(one) for one in value) or "NULL"
    return str(value)


def places(names: Sequence[str]) -> str:
    """Names with their places as rows of a VALUES: no other way from a list to rows is the same in every database.

    >>> places(("knn-top1", "cka"))
    "('knn-top1', 0), ('cka', 1)"
    """
    return ", ".join(f"({literal(name)}, {place})" for place, name in enumerate(names)) or "(NULL, 0)"


def bind(sql: str, options: Options, who: str) -> str:
    """The query with the options in it.

    Raises:
        TeachMattersError: the query of report ``who`` binds a name that no option has.
    """
    values = {name: literal(getattr(options, name)) for name in BINDS} | {PLACES: places(options.metrics)}
    unknown = sorted(names(sql) - set(values))
    if unknown:
        raise TeachMattersError(
            f"the SQL of report {who!r} binds :{unknown[0]}; a report may bind {listing(f':{n}' for n in BINDS)}."
        )
    text = _TOKEN.sub(lambda match: values[match[1]] if match[1] else match[0], sql.strip())
    # A command line would take a text that begins with a comment's dashes for an option.
    return "\n" + text if text.startswith("-") else text
