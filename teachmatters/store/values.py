"""Checks the types and ranges of the values in a store, because a file from elsewhere may hold anything.

Small tables are checked when a store is opened for reading, and all tables before a merge. A store may have millions of
numbers, so those of a report are checked when they are read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from teachmatters.errors import DamagedError
from teachmatters.store import public
from teachmatters.store.location import StoreLocation
from teachmatters.store.sqlite import shape
from teachmatters.store.sqlite.files import revision_of
from teachmatters.store.sqlite.read_connection import connect

SMALL = ("models", "metrics", "run_facts")
NUMBERS = (*SMALL, "recorded", "records")

LONGEST = 10_000  # characters of a text that is not JSON

_BAD = {
    "i": "typeof({0}) <> 'integer'",
    "s": f"typeof({{0}}) <> 'integer' OR {{0}} NOT BETWEEN 0 AND {public.DEEPEST}",
    "b": "typeof({0}) <> 'integer' OR {0} NOT IN (0, 1)",
    "r": f"typeof({{0}}) <> 'real' OR abs({{0}}) > {public.LARGEST!r}",
    "t": f"typeof({{0}}) <> 'text' OR length({{0}}) > {LONGEST}",
    "j": "typeof({0}) <> 'text' OR NOT json_valid({0})",
    "d": "typeof({0}) <> 'text' OR datetime({0}) IS NULL",
    "x": "typeof({0}) <> 'blob'",
}
_TEXTS = "tjd"
_NUMBERS = (int, float)


def check_store(path: StoreLocation, tables: Collection[str] = SMALL) -> None:
    """Check the values in some tables of a file; a server checks them itself.

    Raises:
        DamagedError: a value has the wrong type or range.
        TeachMattersError: as ``read_connection.connect``.
    """
    if isinstance(path, Path):
        with contextlib.closing(connect(path)) as connection:
            check_tables(path, connection, revision_of(path, connection) or "", tables)


def check_tables(
    path: StoreLocation, connection: sqlite3.Connection, revision: str, tables: Collection[str] = ()
) -> None:
    """Check the values in some tables, or in all, of a store with this revision."""
    for table, columns in shape.tables(revision).items():
        if tables and table not in tables:
            continue
        if problem := _wrong_value(connection, table, columns) or _wrong_text(connection, table, columns):
            raise _damaged(path, f"{table}.{problem}")


def _damaged(path: StoreLocation, problem: str) -> DamagedError:
    return DamagedError(
        f"{path} is damaged, or was changed by another program: {problem}. Restore a backup, or name another file with "
        "--db"
    )


def _wrong_value(connection: sqlite3.Connection, table: str, columns: dict[str, str]) -> str:
    """Describe the first value of the wrong type or range; empty if there is none."""
    terms = {}
    for name, letter in columns.items():
        bad = _BAD[letter[0]].format(name)
        terms[name] = f"{name} IS NOT NULL AND ({bad})" if letter[1:] else bad
    cases = " ".join(f"WHEN {bad} THEN '{name}'" for name, bad in terms.items())
    row = connection.execute(f"SELECT CASE {cases} END AS bad FROM {table} WHERE bad IS NOT NULL LIMIT 1").fetchone()
    if row is None:
        return ""
    (name,) = row
    number = f"CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} END"
    sql = f"SELECT typeof({name}), {number} FROM {table} WHERE {terms[name]} LIMIT 1"
    kind, value = connection.execute(sql).fetchone()
    return f"{name} holds {_in_words(kind, value, columns[name])}"


def _in_words(kind: str, value: object, letter: str) -> str:
    if value is not None:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if kind == "text" and letter[0] in _TEXTS:
        return {"t": f"a text of more than {LONGEST:,} characters", "j": "no JSON", "d": "no time"}[letter[0]]
    return {"text": "a text", "blob": "bytes", "null": "nothing"}[kind]


def _wrong_text(connection: sqlite3.Connection, table: str, columns: dict[str, str]) -> str:
    """Describe the first text that is not UTF-8, which SQLite itself does not check; empty if there is none."""
    names = [name for name, letter in columns.items() if letter[0] in _TEXTS]
    with _as_bytes(connection):
        rows = connection.execute(f"SELECT DISTINCT {', '.join(names)} FROM {table}")
        while some := rows.fetchmany(1000):
            if _is_text(value for row in some for value in row):
                continue
            return next(
                f"{name} holds text that is not UTF-8"
                for name, values in zip(names, zip(*some, strict=True), strict=True)
                if not _is_text(values)
            )
    return ""


def _is_text(values: Iterable[bytes | None]) -> bool:
    """Return whether every value is UTF-8; joined, they are decoded ten times as fast as one by one."""
    try:
        b" ".join(value for value in values if value).decode()
    except UnicodeDecodeError:
        return False
    return True


@contextlib.contextmanager
def _as_bytes(connection: sqlite3.Connection) -> Iterator[None]:
    before, connection.text_factory = connection.text_factory, bytes
    try:
        yield
    finally:
        connection.text_factory = before


def check_rows(path: StoreLocation, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Check the rows of a built-in report against the types and ranges of the views' columns.

    Raises:
        DamagedError: a value has the wrong type or range.
    """
    for name, values in zip(columns, zip(*rows, strict=True), strict=bool(rows)):
        kinds = set(map(type, values)) - {type(None)}
        if wrong := kinds - _kinds(name):
            found = "a text" if str in wrong else "bytes" if bytes in wrong else "a number"
            raise _damaged(path, f"{name} holds {found}")
        counts = name in public.COUNTED
        least, most = (0, public.DEEPEST) if counts else (-public.LARGEST, public.LARGEST)
        if float in kinds or counts:
            numbers = [value for value in values if isinstance(value, _NUMBERS)]
            if beyond := [value for value in numbers if not least <= value <= most]:
                raise _damaged(path, f"{name} holds {beyond[0]:g}")


def _kinds(name: str) -> frozenset[type]:
    """Return the types that a column of this name may hold; a column of no view is a report's own."""
    if name in public.INTEGERS:
        return frozenset({int})
    if name in public.REALS:
        return frozenset({int, float})
    if name in public.BYTES:
        return frozenset({bytes})
    return frozenset({str} if name in public.TEXTS else {int, float, str, bytes})
