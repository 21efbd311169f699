from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, backend_of, connect
from tests.store.samples import DISTANCE, beside, numbers, rows, run, store_at


def compact(path: Path) -> tuple[int, int]:
    return backend_of(path).compact()


EVERYTHING = "SELECT * FROM all_results ORDER BY run_id, layer"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """In WAL mode, with room that nobody uses."""
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE filling (x)")
        connection.execute("INSERT INTO filling VALUES (zeroblob(1000000))")
        connection.commit()
        connection.execute("DROP TABLE filling")
        connection.commit()
    return path


def mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_a_store_becomes_one_small_file_with_the_same_numbers(store: Path) -> None:
    assert mode(store) == "wal"
    kept, size = rows(store, EVERYTHING), store.stat().st_size
    before, after = compact(store)
    assert (before, after) == (size, store.stat().st_size)
    assert after < before - 900_000
    assert mode(store) == "delete"
    assert beside(store) == ["r.db"]
    assert rows(store, EVERYTHING) == kept
    assert compact(store) == (after, after)


def test_a_compacted_store_can_be_written(store: Path) -> None:
    compact(store)
    store_at(store, (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))
    assert len(rows(store, EVERYTHING)) == 4


def test_a_leftover_log_is_included(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "r.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE records SET value = 7")
        connection.commit()
        for name in ("r.db", "r.db-wal"):
            (copy.parent / name).write_bytes((store.parent / name).read_bytes())
    compact(copy)
    assert beside(copy) == ["r.db"]
    assert [value for (value,) in rows(copy, "SELECT value FROM results")] == [7.0] * 3


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_store_in_use_by_a_reader_is_refused(store: Path, journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.store.sqlite.compact.WAIT", 0.05)
    if journal == "delete":
        compact(store)
    kept = rows(store, EVERYTHING)
    with closing(connect(store)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT * FROM results").fetchone()
        with pytest.raises(TeachMattersError, match="is in use by another program"):
            compact(store)
    assert rows(store, EVERYTHING) == kept


def test_a_store_in_use_by_a_writer_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.store.sqlite.compact.WAIT", 0.05)
    with closing(sqlite3.connect(store, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        with pytest.raises(TeachMattersError, match="is in use by another program"):
            compact(store)


def test_a_file_that_is_not_a_store_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="no results store at"):
        compact(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("hello")
    with pytest.raises(TeachMattersError, match="not a SQLite file"):
        compact(tmp_path / "text.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(TeachMattersError, match="not a results store"):
        compact(tmp_path / "other.db")
    assert (tmp_path / "other.db").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.db", "text.db"]


def test_a_store_that_is_read_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    Store.open(path).close()
    path.chmod(0o444)
    with pytest.raises(TeachMattersError, match="is read-only"):
        compact(path)
