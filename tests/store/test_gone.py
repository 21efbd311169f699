"""Tests of a store that is deleted or replaced while a command runs: a one-line error, and no lost writes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, writer
from teachmatters.store.schema import Number
from tests.store.merging import join
from tests.store.samples import DISTANCE, numbers, rows, run, store_at

ONE = (run(DISTANCE), numbers("attn-distance", 1))


def _delete(path: Path) -> None:
    path.unlink()


def _by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        other = path.with_name("other.db")
        make(other)
        other.replace(path)

    return replace


HAPPENED: dict[str, tuple[Callable[[Path], None], str]] = {
    "deleted": (_delete, "was deleted while"),
    "another store": (_by(store_at), "was replaced by another file while"),
    "a copy of it": (_by(lambda other: shutil.copy(other.with_name("r.db"), other)), "was replaced by another file"),
    "an empty file": (_by(Path.touch), "was replaced by another file"),
    "a text": (_by(lambda other: other.write_text("text" * 1000)), "was replaced by another file|is not a SQLite file"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_at(tmp_path / "r.db", (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))


@pytest.mark.parametrize("what", HAPPENED)
@pytest.mark.parametrize("use", ["record", "recorded"])
def test_between_two_runs(path: Path, what: str, use: str) -> None:
    happen, words = HAPPENED[what]
    with Store.open(path) as store:
        store.record(*ONE)
        happen(path)
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(TeachMattersError, match=words):
            store.recorded(run(DISTANCE).cell) if use == "recorded" else store.record(*ONE)
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize("what", HAPPENED)
def test_while_a_run_is_stored(path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    happen, words = HAPPENED[what]
    insert = writer._insert

    def insert_and_lose(session: Any, table: Any, found: Any) -> None:
        insert(session, table, found)
        if table is Number:
            happen(path)

    monkeypatch.setattr(writer, "_insert", insert_and_lose)
    with Store.open(path) as store, pytest.raises(TeachMattersError, match=words):
        store.record(*ONE)


@pytest.mark.parametrize("what", HAPPENED)
def test_while_stores_are_merged(path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    happen, words = HAPPENED[what]
    other = store_at(path.with_name("source.db"), ONE)
    monkeypatch.setattr("teachmatters.store.merge.merge.settle", lambda _: happen(path))
    with pytest.raises(TeachMattersError, match=words):
        join(path, other)
    assert rows(other, "SELECT value FROM results") == [(1,)]


def test_a_file_moved_and_put_back_is_the_same_file(path: Path) -> None:
    with Store.open(path) as store:
        path.rename(path.with_name("away.db"))
        path.with_name("away.db").rename(path)
        store.record(*ONE)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
