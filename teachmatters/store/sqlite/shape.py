"""The schema of each revision, and a check that a file has it.

In a file from elsewhere, tables could be endless views, views could read something else, and a table could replace a
function, so that queries would not do what they say. The check reads only the schema, whatever the size of the store.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from teachmatters.errors import TeachMattersError, listing

# The letter after a column's name is its type: "i" an integer, "s" a number of layers or heads, "b" 0 or 1, "r" a
# finite number, "t" text, "j" JSON, "d" a time, "x" bytes; "?" also allows NULL. Here and in VIEWS, each revision lists
# only what it changed.
_RUN_FACTS = (
    "id:i run_id:t cell_key:t model:t model_id:i other_model:t other_model_id:i? dataset:t split:t fingerprint:t "
    "analysis:t analysis_version:i parameters:j setting:t limit_n:i? seed:i dtype:t device:t n_items:i n_skipped:i "
    "notes:j versions:j git_commit:t? started_at:d finished_at:d seconds:r"
)
TABLES: dict[str, dict[str, str]] = {
    "0001": {
        "models": "id:i name:t weights:t family:t supervision:t arch:t patch_size:i image_size:i depth:s heads:s",
        "metrics": (
            "id:i analysis:t name:t title:t summary:t unit:t higher_is_better:b? lower:r? upper:r? level:t "
            "main_protocol:t headline:b source:t"
        ),
        "run_facts": _RUN_FACTS,
        "recorded": "run_id:i metric_id:i protocol:t other_model:t is_newest:b",
        "records": (
            "run_id:i metric_id:i protocol:t layer:s head:s other_model:t other_layer:s category:t value:r std:r? n:i?"
        ),
        "unit_lists": "id:i sha256:t units:j",
        "map_arrays": "run_id:i name:t layer:s axes:t shape:t dtype:t unit_list_id:i? data:x",
    },
    "0002": {"run_facts": f"{_RUN_FACTS} elapsed:r?"},
}
# The sha256 of each view's SQL with normalised spaces.
VIEWS: dict[str, dict[str, str]] = {
    "0001": {
        "results": "55017f88cb4a1d61",
        "all_results": "5e2f4a89c2e41c69",
        "runs": "b19cd533bf89628a",
        "maps": "ebdadc427a663890",
    },
    "0002": {"runs": "640b8ec097b9d1ef"},
    "0003": {"results": "49fa6456616ac16b", "all_results": "38bfee83b6f896ba"},
}
_FUNCTIONS = ("json_each", "json_tree")  # table-valued functions that queries call


def tables(revision: str) -> dict[str, dict[str, str]]:
    """Return the tables of a revision, each with its columns and the letters of their types.

    >>> tables("0001")["unit_lists"]
    {'id': 'i', 'sha256': 't', 'units': 'j'}
    """
    return {
        table: dict(column.split(":") for column in text.split()) for table, text in _until(revision, TABLES).items()
    }


def _until(revision: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the state of a revision after all changes up to it."""
    state: dict[str, str] = {}
    for changed_in in sorted(changes):
        if changed_in <= revision:
            state |= changes[changed_in]
    return state


def digest(sql: str) -> str:
    """Return a digest of a view's SQL that ignores differences in spaces."""
    return hashlib.sha256(" ".join(sql.split()).encode()).hexdigest()[:16]


def check(path: Path, connection: sqlite3.Connection, revision: str) -> None:
    """Check that a file has the schema of its revision; the user may add other tables and views.

    Raises:
        TeachMattersError: a table or view is missing or different, or there is a trigger, a virtual table, or a table
            that hides a function of SQLite.
    """
    try:
        problem = _problem(connection, revision)
    except sqlite3.OperationalError as error:  # a name is not UTF-8
        problem = str(error)
    if problem:
        raise TeachMattersError(
            f"{path} is damaged, or was changed by another program: {problem}. Restore a backup, or name another file "
            "with --db"
        )


def _problem(connection: sqlite3.Connection, revision: str) -> str:
    """Describe the first difference from the schema, empty if there is none."""
    sql = "SELECT name, type, substr(sql, 1, 100000) FROM sqlite_master WHERE type <> 'index'"
    found = {name: (kind, str(text)) for name, kind, text in connection.execute(sql)}
    for name, (kind, text) in found.items():
        if kind == "trigger" or text[:14].upper() == "CREATE VIRTUAL" or name.lower() in _FUNCTIONS:
            return f"{name[:50]!r} does not belong in a results store"
    for table, expected in tables(revision).items():
        if found.get(table, ("", ""))[0] != "table":
            return f"{table!r} is not a table"
        if missing := expected.keys() - _stored(connection, table):
            return f"the table {table!r} lacks {listing(sorted(missing))}"
    return _views(found, _until(revision, VIEWS))


def _stored(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the columns of a table that are stored, rather than computed from others."""
    every = connection.execute(f"PRAGMA table_xinfo({table})")
    return {name for _, name, _, _, _, _, hidden in every if not hidden}


def _views(found: Mapping[str, tuple[str, str]], views: Mapping[str, str]) -> str:
    for view, expected in views.items():
        kind, text = found.get(view, ("", ""))
        if kind != "view" or digest(text) != expected:
            return f"{view!r} is not the view of its revision"
    return ""
