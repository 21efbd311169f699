"""Copies runs from one store into another: copies rows in bulk and translates their integer keys."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping

from teachmatters.errors import TeachMattersError
from teachmatters.store.merge.content import columns
from teachmatters.store.merge.sources import Source
from teachmatters.store.merge.target import FileTarget, Target
from teachmatters.store.schema import Array, Base, Metric, Model, Number, Recorded, RunFacts, UnitList

CHUNK = 100  # runs to copy between two reports of progress and checks for Ctrl-C

# The tables whose rows several runs share, with a query for the keys that the added runs need.
_SHARED: dict[type[Base], str] = {
    Model: "SELECT model_id FROM {0}.run_facts JOIN temp.added ON old = id "
    "UNION SELECT other_model_id FROM {0}.run_facts JOIN temp.added ON old = id",
    Metric: "SELECT metric_id FROM {0}.recorded JOIN temp.added ON old = run_id",
    UnitList: "SELECT unit_list_id FROM {0}.map_arrays JOIN temp.added ON old = run_id",
}

# The tables whose rows belong to one run, with the columns that change and the joins that give their new values.
_OWN: dict[type[Base], tuple[dict[str, str], str]] = {
    RunFacts: (
        {"id": "run.new", "run_id": "run.name", "model_id": "model.new", "other_model_id": "other.new"},
        "CROSS JOIN {0}.run_facts AS row ON row.id = run.old "
        "JOIN temp.new_models AS model ON model.old = row.model_id "
        "LEFT JOIN temp.new_models AS other ON other.old = row.other_model_id",
    ),
    Recorded: (
        {"run_id": "run.new", "metric_id": "metric.new", "is_newest": "0"},
        "CROSS JOIN {0}.recorded AS row ON row.run_id = run.old "
        "JOIN temp.new_metrics AS metric ON metric.old = row.metric_id",
    ),
    Number: (
        {"run_id": "run.new", "metric_id": "metric.new"},
        "CROSS JOIN {0}.records AS row ON row.run_id = run.old "
        "JOIN temp.new_metrics AS metric ON metric.old = row.metric_id",
    ),
    Array: (
        {"run_id": "run.new", "unit_list_id": "list.new"},
        "CROSS JOIN {0}.map_arrays AS row ON row.run_id = run.old "
        "LEFT JOIN temp.new_unit_lists AS list ON list.old = row.unit_list_id",
    ),
}


def attach(source: Source, target: Target) -> str:
    """Attach a source to the connection of a target file, and return its name there; empty if it cannot be attached.

    SQLite compares with, and copies from, an attached file four times as fast as rows go through Python. But it cannot
    detach a file within a transaction, and attaches at most ten. Other sources, and all sources of a server, are read
    through their own connection.
    """
    schema = _free(target.connection) if isinstance(target, FileTarget) else ""
    if schema:
        target.execute(f"ATTACH ? AS {schema}", (source.uri,))
    return schema


def copy(
    source: Source, target: Target, attached: str, added: Mapping[str, int], advance: Callable[[int], None]
) -> None:
    """Insert runs of a store; none of them is marked as the newest yet.

    Args:
        source: the store to read.
        target: the store to write.
        attached: name of the source in the connection of the target; empty if it is not attached.
        added: ids of the runs, with their keys in the source.
        advance: called with the number of runs copied.

    Raises:
        TeachMattersError: the source is damaged.
    """
    (last,) = target.execute("SELECT coalesce(max(id), 0) FROM run_facts").fetchone()
    keys = [(new, old, name) for new, (name, old) in enumerate(added.items(), start=last + 1)]
    with _mapped(source, target, attached) as (connection, schema):
        connection.execute("CREATE TABLE temp.added (new INTEGER PRIMARY KEY, old INTEGER, name TEXT)")
        connection.executemany("INSERT INTO temp.added VALUES (?, ?, ?)", keys)
        for table in _SHARED:
            _share(connection, schema, target, table)
        for start in range(last + 1, last + 1 + len(keys), CHUNK):
            end = min(start + CHUNK, last + 1 + len(keys))
            for table in _OWN:
                _insert(connection, schema, target, table, (start, end))
            advance(end - start)


@contextlib.contextmanager
def _mapped(source: Source, target: Target, attached: str) -> Iterator[tuple[sqlite3.Connection, str]]:
    """Yield the connection that reads the source and holds the temporary tables, and the source's schema in it."""
    connection, schema = source.connection, "main"
    if attached and isinstance(target, FileTarget):
        connection, schema = target.connection, attached
    try:
        yield connection, schema
    except sqlite3.IntegrityError as error:
        raise TeachMattersError(
            f"{source.path} is damaged: its rows are inconsistent ({error}). Restore a backup, or leave it out"
        ) from error
    for name in ("added", *(f"new_{table.__tablename__}" for table in _SHARED)):
        connection.execute(f"DROP TABLE temp.{name}")


def _free(target: sqlite3.Connection) -> str:
    """Return the schema name for attaching one more file, empty if no more can be attached."""
    attached = [name for _, name, _ in target.execute("PRAGMA database_list") if name not in ("main", "temp")]
    return f"source_{len(attached)}" if len(attached) < target.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED) else ""


def _share(connection: sqlite3.Connection, schema: str, target: Target, table: type[Base]) -> None:
    """Find or insert the needed shared rows in the target, and write the translation of their keys to a table."""
    name, content = table.__tablename__, columns(table, "id")
    rows = f"SELECT id, {', '.join(content)} FROM {{}}{name} {{}} ORDER BY id"
    known = {tuple(values): key for key, *values in target.execute(rows.format("", ""))}
    insert = f"INSERT INTO {name} ({', '.join(content)}) VALUES ({', '.join('?' * len(content))}) RETURNING id"
    needed = connection.execute(rows.format(f"{schema}.", f"WHERE id IN ({_SHARED[table].format(schema)})")).fetchall()
    connection.execute(f"CREATE TABLE temp.new_{name} (old INTEGER PRIMARY KEY, new INTEGER)")
    for old, *values in needed:
        new = known.get(tuple(values)) or target.execute(insert, values).fetchall()[0][0]
        connection.execute(f"INSERT INTO temp.new_{name} VALUES (?, ?)", (old, new))


def _insert(
    connection: sqlite3.Connection,
    schema: str,
    target: Target,
    table: type[Base],
    chunk: tuple[int, int],
) -> None:
    """Insert a table's rows of some runs; ``chunk`` holds the first of their new keys and the one after the last."""
    names, (changed, joins) = columns(table), _OWN[table]
    values = ", ".join(changed.get(name, f"row.{name}") for name in names)
    select = f"SELECT {values} FROM temp.added AS run {joins.format(schema)} WHERE run.new >= ? AND run.new < ?"
    if isinstance(target, FileTarget) and connection is target.connection:
        connection.execute(f"INSERT INTO main.{table.__tablename__} ({', '.join(names)}) {select}", chunk)
    else:
        target.fill(table.__tablename__, names, connection.execute(select, chunk))
