"""Write all values into a report's SQL, so that the printed query is the one that ran."""

from __future__ import annotations

import re
from collections.abc import Sequence

from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports.options import BINDS, Options

# A query may also bind the metrics as rows, each with its position, from 0.
PLACES = "metric_places"

# Skip strings, quoted names and comments; match a name after one colon.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?<!:):([A-Za-z_]\w*)""", re.DOTALL)


def names(sql: str) -> set[str]:
    """Return the names that a query binds.

    >>> sorted(names("SELECT ':a' FROM t -- :b" + chr(10) + "WHERE x IN (:models) AND y = :setting"))
    ['models', 'setting']
    """
    return {match[1] for match in _TOKEN.finditer(sql) if match[1]}


def literal(value: object) -> str:
    """Return a value as SQL: a list without brackets; None and an empty list as NULL.

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
    """Return names with their positions as rows of a VALUES clause, which works in every database.

    >>> places(("knn-top1", "cka"))
    "('knn-top1', 0), ('cka', 1)"
    """
    return ", ".join(f"({literal(name)}, {place})" for place, name in enumerate(names)) or "(NULL, 0)"


def bind(sql: str, options: Options, who: str) -> str:
    """Return the query with the options' values in it.

    Raises:
        TeachMattersError: the query of report ``who`` binds an unknown name.
    """
    bound = (*BINDS, "settings", "by")
    values = {name: literal(getattr(options, name)) for name in bound} | {PLACES: places(options.metrics)}
    unknown = sorted(names(sql) - set(values))
    if unknown:
        raise TeachMattersError(
            f"the SQL of report {who!r} binds :{unknown[0]}; a report may bind {listing(f':{n}' for n in BINDS)}."
        )
    text = _TOKEN.sub(lambda match: values[match[1]] if match[1] else match[0], sql.strip())
    # On a command line, SQL that begins with the dashes of a comment would be taken for an option.
    return "\n" + text if text.startswith("-") else text
