"""Tests that invalid stores from an untrusted source are refused in one line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from teachmatters.cli.app import app
from teachmatters.errors import TeachMattersError
from teachmatters.reports import datasette_site
from teachmatters.results import Results
from teachmatters.store import Store, columns, connect, public, query
from teachmatters.store.migrate import info, migrate
from teachmatters.store.schema import Base
from teachmatters.store.sqlite import shape
from tests.store import strangers
from tests.store.merging import join
from tests.store.samples import CKA, DISTANCE, beside, numbers, run, store_at

COMMANDS: dict[str, tuple[str, ...]] = {
    "report": ("report", "attention-distance", "--db", "{db}"),
    "page": ("report", "page", "--db", "{db}", "--out", "{out}.html"),
    "export": ("export", "--db", "{db}", "--out", "{out}.csv"),
    "query": ("query", "SELECT 1", "--db", "{db}"),
    "info": ("db", "info", "--db", "{db}"),
    "merge": ("db", "merge", "{db}", "--into", "{out}.db"),
    "browse": ("browse", "--db", "{db}", "--no-open"),
}
OPENING: dict[str, Callable[[Path], object]] = {
    "reading": connect,
    "asking": lambda path: query(path, "SELECT 1"),
    "opening": Results,
    "writing": Store.open,
    "migrating": migrate,
    "info": info,
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_at(tmp_path / "s.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))


def tm(path: Path, command: str) -> tuple[int, str]:
    """The exit status of a command on a store, and its last line."""
    words = [word.format(db=path, out=path.parent / "out") for word in COMMANDS[command]]
    done = CliRunner().invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def refused(path: Path, command: str, words: str) -> None:
    before, began = path.read_bytes(), time.monotonic()
    code, said = tm(path, command)
    assert (code, said.count("\n")) == (1, 1), said
    assert re.search(words, said), said
    assert len(said) < 1000
    assert time.monotonic() - began < 10
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["s.db"]


@pytest.mark.parametrize("name", strangers.SHAPES)
def test_a_store_of_another_schema_is_refused_everywhere(store: Path, name: str) -> None:
    change, words = strangers.SHAPES[name]
    change(store)
    for use in OPENING.values():
        with pytest.raises(TeachMattersError, match=words) as caught:
            use(store)
        assert len(str(caught.value)) < 1000
    with pytest.raises(TeachMattersError, match=words):
        join(store.parent / "into.db", store)
    assert beside(store) == ["s.db"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["numbers without end", "results without end", "a function's name"])
def test_every_command_prints_a_one_line_error(store: Path, name: str, command: str) -> None:
    change, words = strangers.SHAPES[name]
    change(store)
    refused(store, command, words)


@pytest.mark.parametrize("name", strangers.FACTS)
def test_invalid_facts_are_refused_before_anything_is_read(store: Path, name: str) -> None:
    change, words = strangers.FACTS[name]
    change(store)
    for command in ("report", "merge"):
        refused(store, command, words)
    for use in (Results, lambda path: datasette_site.Site(path, lambda: None)):
        with pytest.raises(TeachMattersError, match=words):
            use(store)


@pytest.mark.parametrize("name", strangers.NUMBERS)
def test_invalid_numbers_are_refused(store: Path, name: str) -> None:
    change, words = strangers.NUMBERS[name]
    change(store)
    for command in ("report", "export", "merge", "page"):
        refused(store, command, words)
    with pytest.raises(TeachMattersError, match=words):
        Results(store).frame()


@pytest.mark.parametrize("name", strangers.REST)
def test_invalid_rows_are_not_merged(store: Path, name: str) -> None:
    change, words = strangers.REST[name]
    change(store)
    refused(store, "merge", words)


def test_one_invalid_source_stops_a_merge(store: Path, tmp_path: Path) -> None:
    into = store_at(tmp_path / "into.db", (run(DISTANCE), numbers("attn-distance", 5)))
    other = store_at(tmp_path / "other.db", (run(CKA), numbers("cka", 1, other_layer=1)))
    before = into.read_bytes()
    strangers.NUMBERS["a number near the largest"][0](store)
    with pytest.raises(TeachMattersError, match=r"s\.db is damaged, or was changed"):
        join(into, other, store)
    assert into.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine (x)",
        "CREATE VIEW mine AS SELECT * FROM results",
        "CREATE INDEX i ON records (value)",
        "ANALYZE",
    ],
)
def test_additional_tables_of_the_user_are_accepted(store: Path, sql: str) -> None:
    strangers.run_sql(sql)(store)
    assert len(query(store, "SELECT * FROM results").rows) == 3
    assert len(Results(store).frame()) == 3


def test_the_schema_of_every_revision_equals_its_migrations(tmp_path: Path) -> None:
    """Where this fails for a new revision, TABLES and VIEWS in store/sqlite/shape.py lack what it changed."""
    path = store_at(tmp_path / "r.db")
    with connect(path) as connection:
        shape.check(path, connection, public.REVISIONS[-1])
    found = shape.tables(public.REVISIONS[-1])
    assert {name: list(of) for name, of in found.items()} == {
        name: [column.name for column in table.columns] for name, table in Base.metadata.tables.items()
    }
    nullable = {(name, c.name) for name, table in Base.metadata.tables.items() for c in table.columns if c.nullable}
    assert {(name, column) for name, of in found.items() for column in of if of[column][1:]} == nullable
    assert set(columns.COLUMNS) == set(shape._until(public.REVISIONS[-1], shape.VIEWS))
