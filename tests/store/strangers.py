"""Stores from an untrusted source, each valid except for one thing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from teachmatters.store import public

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
DAMAGED = "is damaged, or was changed by another program: "


def run_sql(*statements: str) -> Callable[[Path], None]:
    """Does this to a file."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            for sql in statements:
                connection.execute(sql)
            connection.commit()

    return change


def as_view(table: str, select: str) -> Callable[[Path], None]:
    """A view in the place of a table."""
    return run_sql(f"ALTER TABLE {table} RENAME TO moved", f"CREATE VIEW {table} AS {select}")


def new_view(name: str, select: str) -> Callable[[Path], None]:
    """Another view under the name of one of ours."""
    return run_sql(f"DROP VIEW {name}", f"CREATE VIEW {name} AS {select}")


# By the schema alone: whoever opens the file refuses it.
SHAPES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a table without end": (
        as_view("run_facts", ENDLESS + "SELECT i AS id, moved.* FROM n, moved"),
        DAMAGED + "'run_facts' is not a table",
    ),
    "numbers without end": (
        as_view("records", ENDLESS + "SELECT * FROM n, moved"),
        DAMAGED + "'records' is not a table",
    ),
    "metrics as a view": (as_view("metrics", "SELECT * FROM moved"), DAMAGED + "'metrics' is not a table"),
    "the revision as a view": (
        as_view(public.VERSION_TABLE, "SELECT version_num FROM moved"),
        "is a SQLite file but not a results store",
    ),
    "results without end": (
        new_view("results", ENDLESS + "SELECT i AS layer FROM n"),
        DAMAGED + "'results' is not the view",
    ),
    "another view of runs": (new_view("runs", "SELECT 'x' AS model"), DAMAGED + "'runs' is not the view"),
    "a view that is a table": (
        run_sql("DROP VIEW maps", "CREATE TABLE maps (name)"),
        DAMAGED + "'maps' is not the view",
    ),
    "no view": (run_sql("DROP VIEW results"), DAMAGED + "'results' is not the view"),
    "a missing table": (run_sql("DROP TABLE map_arrays"), DAMAGED + "'map_arrays' is not a table"),
    "a missing column": (
        run_sql("PRAGMA legacy_alter_table = ON", "ALTER TABLE unit_lists RENAME COLUMN units TO others"),
        DAMAGED + "the table 'unit_lists' lacks units",
    ),
    "a computed column": (
        run_sql(
            "PRAGMA legacy_alter_table = ON",
            "ALTER TABLE unit_lists RENAME COLUMN units TO others",
            "ALTER TABLE unit_lists ADD COLUMN units TEXT AS (hex(zeroblob(1000)))",
        ),
        DAMAGED + "the table 'unit_lists' lacks units",
    ),
    "a function's name": (run_sql("CREATE TABLE json_each (x)"), DAMAGED + "'json_each' does not belong in"),
    "a function's name, as a view": (
        run_sql("CREATE VIEW Json_Tree AS SELECT 1"),
        DAMAGED + "'Json_Tree' does not belong in",
    ),
    "a virtual table": (run_sql("CREATE VIRTUAL TABLE f USING fts3(x)"), DAMAGED + "'f' does not belong in"),
    "a trigger": (
        run_sql("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM models; END"),
        DAMAGED + "'t' does not belong in",
    ),
    "a long revision": (
        run_sql(f"UPDATE {public.VERSION_TABLE} SET version_num = replace(hex(zeroblob(5000000)), '0', 'x')"),
        r"revision xxxxxxxxxxxxxxxxxxxx; this one",
    ),
    "a revision of bytes": (
        run_sql(f"UPDATE {public.VERSION_TABLE} SET version_num = x'ff00'"),
        "a newer teachmatters",
    ),
}

# By values of the small tables: what opens a store to read refuses it.
FACTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a label that is no UTF-8": (
        run_sql("UPDATE run_facts SET model = CAST(x'ff61' AS TEXT)"),
        DAMAGED + "run_facts.model holds text that is not UTF-8",
    ),
    "a label of bytes": (run_sql("UPDATE run_facts SET model = x'61'"), DAMAGED + "run_facts.model holds bytes"),
    "a label of a megabyte": (
        run_sql("UPDATE run_facts SET model = hex(zeroblob(1000000))"),
        DAMAGED + "run_facts.model holds a text of more than 10,000 characters",
    ),
    "a time that is none": (
        run_sql("UPDATE run_facts SET finished_at = 'yesterday'"),
        DAMAGED + "run_facts.finished_at holds no time",
    ),
    "notes that are no JSON": (run_sql("UPDATE run_facts SET notes = '{'"), DAMAGED + "run_facts.notes holds no JSON"),
    "a seed that is a text": (run_sql("UPDATE run_facts SET seed = 'x'"), DAMAGED + "run_facts.seed holds a text"),
    "seconds without end": (run_sql("UPDATE run_facts SET seconds = 9e999"), DAMAGED + "run_facts.seconds holds inf"),
    "a depth below zero": (run_sql("UPDATE models SET depth = -1"), DAMAGED + "models.depth holds -1"),
    "a direction that is none": (
        run_sql("UPDATE metrics SET higher_is_better = 7"),
        DAMAGED + "metrics.higher_is_better holds 7",
    ),
    "a bound near the largest number": (
        run_sql("UPDATE metrics SET upper = 1e308"),
        DAMAGED + r"metrics.upper holds 1e\+308",
    ),
}

# By its numbers: a merge, an export and a report that reads them refuse it.
NUMBERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a number that is a text": (
        run_sql("UPDATE records SET value = 'high'"),
        r"program: (records\.)?value holds a text",
    ),
    "a number that is bytes": (run_sql("UPDATE records SET value = x'00'"), r"program: (records\.)?value holds bytes"),
    "a number without end": (run_sql("UPDATE records SET value = -9e999"), r"program: (records\.)?value holds -inf"),
    "a number near the largest": (
        run_sql("UPDATE records SET value = 1e308"),
        r"program: (records\.)?value holds 1e\+308",
    ),
    "a layer that is a text": (
        run_sql("UPDATE records SET layer = 'x' || layer"),
        r"program: (records\.)?layer holds a text",
    ),
    "a layer below zero": (run_sql("UPDATE records SET layer = -layer"), r"program: (records\.)?layer holds -\d"),
}
# By what only a merge copies.
REST: dict[str, tuple[Callable[[Path], None], str]] = {
    "a category that is no UTF-8": (
        run_sql("UPDATE records SET category = CAST(x'c3' AS TEXT)"),
        DAMAGED + "records.category holds text that is not UTF-8",
    ),
    "a newest that is none": (run_sql("UPDATE recorded SET is_newest = 2"), DAMAGED + "recorded.is_newest holds 2"),
}
