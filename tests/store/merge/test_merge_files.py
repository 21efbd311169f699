"""Tests of merging files: sources are read only, a merge is whole or nothing, errors are one line."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import Result, StoredMap
from teachmatters.api.progress import NoProgress
from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, backend_of, query
from teachmatters.store.merge.merge import merge
from teachmatters.store.merge.sources import opened
from tests.store.merging import dump, join
from tests.store.samples import DISTANCE, beside, model, numbers, rows, run, store_at, values
from tests.store.sqlite.test_files import BAD
from tests.store.test_migrate import old, scripts

__all__ = ["old", "scripts"]


def print_of(path: Path) -> tuple[str, int, list[str]]:
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, beside(path)


def test_a_source_is_opened_read_only(three: list[Path]) -> None:
    with opened(three[0]) as source:
        for connection in (source.connection, sqlite3.connect(source.uri, uri=True)):
            with closing(connection), pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("UPDATE main.recorded SET is_newest = 0")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_sources_are_only_read(three: list[Path], tmp_path: Path, mode: str) -> None:
    for path in three:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
    before = [print_of(path) for path in three]
    join(tmp_path / "into.db", *three)
    assert [print_of(path) for path in three] == before
    assert beside(tmp_path / "into.db") == ["into.db"]


def test_a_source_in_a_folder_that_cannot_be_written(three: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    three[0].rename(folder / "a.db")
    folder.chmod(0o555)
    try:
        join(tmp_path / "into.db", folder / "a.db")
        assert sorted(path.name for path in folder.iterdir()) == ["a.db"]
    finally:
        folder.chmod(0o755)
    assert len(rows(tmp_path / "into.db", "SELECT 1 FROM runs")) == 12


def test_rows_in_a_sources_log_are_merged(tmp_path: Path) -> None:
    path = store_at(tmp_path / "a.db", (run(DISTANCE), numbers("attn-distance", 1)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE records SET value = 7")
        connection.commit()
        join(tmp_path / "b.db", path)
    assert values(rows(tmp_path / "b.db", "SELECT value FROM results")) == {7}


def test_a_source_of_an_older_revision(old: Path, scripts: Path, tmp_path: Path) -> None:
    before = print_of(old)
    into = tmp_path / "into.db"
    assert [one.added for one in join(into, old).values()] == [1]
    assert print_of(old) == before
    assert (backend_of(old).revision(), backend_of(into).revision()) == ("0003", "0004")
    assert query(into, "SELECT value FROM results").rows == [(2.0,), (4.0,)]
    assert [one.added for one in join(into, old).values()] == [0]


def test_a_target_of_an_older_revision(old: Path, scripts: Path, tmp_path: Path) -> None:
    other = store_at(tmp_path / "b.db", (run(DISTANCE, of=model("b")), numbers("attn-distance", 5)))
    join(old, other)
    assert backend_of(old).revision() == "0004"
    assert values(query(old, "SELECT value FROM results").rows) == {2, 4, 5}


def test_a_failed_merge_does_not_migrate_its_target(
    old: Path, scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store_at(tmp_path / "b.db", (run(DISTANCE, of=model("b")), numbers("attn-distance", 5)))
    before = dump(old)

    def fail(*_: object) -> None:
        raise RuntimeError("halfway")

    monkeypatch.setattr("teachmatters.store.merge.merge.settle", fail)
    with pytest.raises(RuntimeError, match="halfway"):
        join(old, other)
    assert dump(old) == before


def test_a_failed_merge_leaves_no_new_store(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("teachmatters.store.merge.merge.settle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        join(tmp_path / "into.db", *three)
    assert beside(tmp_path / "into.db") == []


@pytest.mark.parametrize(("make", "words"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_a_source_that_is_not_a_store(three: list[Path], tmp_path: Path, make: Any, words: str) -> None:
    bad = tmp_path / "bad.db"
    make(bad)
    before = dump(three[0])
    for into in (tmp_path / "new.db", three[0]):
        with pytest.raises(TeachMattersError, match=r"bad\.db") as caught:
            join(into, three[1], bad)
        assert "--db" not in str(caught.value) or "analyze" in str(caught.value)
    assert dump(three[0]) == before
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(("make", "words"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_a_target_that_is_not_a_store(three: list[Path], tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "bad.db")
    content = (tmp_path / "bad.db").read_bytes()
    with pytest.raises(TeachMattersError, match=r"bad\.db") as caught:
        join(tmp_path / "bad.db", *three)
    assert "--db" not in str(caught.value)
    assert (tmp_path / "bad.db").read_bytes() == content


def break_page(path: Path) -> None:
    """The second half of the numbers' pages is nothing but zeros."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)


def orphan(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM recorded WHERE run_id = 1")
        connection.commit()


def no_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute("ALTER TABLE run_facts RENAME COLUMN finished_at TO ended")
        connection.commit()


def cut_array(path: Path) -> None:
    """One of the pages that a large array goes on on."""
    large = StoredMap(name="large", layer=1, axes=("y",), array=np.full(30_000, 1.5))
    store_at(path, (run(DISTANCE, dataset="large"), Result(maps=[large])))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    content = bytearray(path.read_bytes())
    start = content.index(large.array[:400].tobytes()) // 4096 * 4096 + 10 * 4096
    content[start : start + 4096] = bytes(4096)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [break_page, orphan, no_column, cut_array])
def test_a_damaged_source_is_named_and_nothing_is_merged(three: list[Path], tmp_path: Path, damage: Any) -> None:
    damage(three[1])
    before = dump(three[0])
    with pytest.raises(TeachMattersError, match=r"b\.db is damaged"):
        join(three[0], three[2], three[1])
    assert dump(three[0]) == before


def test_the_target_among_the_sources_is_skipped(three: list[Path], tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(three[0])
    os.link(three[0], tmp_path / "hard.db")
    assert set(join(three[0], *three, tmp_path / "link.db", tmp_path / "hard.db")) == {"b.db", "c.db"}
    with pytest.raises(TeachMattersError, match=r"nothing to merge into .*link\.db but itself"):
        join(tmp_path / "link.db", three[0])


def test_a_file_named_twice_is_merged_once(three: list[Path], tmp_path: Path) -> None:
    found = merge([three[0], three[0]], tmp_path / "into.db", NoProgress())
    assert [(one.added, one.runs, one.conflicts) for one in found] == [(12, 12, []), (0, 12, [])]


def test_stores_without_a_run(three: list[Path], tmp_path: Path) -> None:
    Store.open(tmp_path / "none.db").close()
    found = join(tmp_path / "into.db", tmp_path / "none.db")
    assert (found["none.db"].runs, rows(tmp_path / "into.db", "SELECT * FROM runs")) == (0, [])
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(TeachMattersError, match=r"text\.db is not a SQLite file\. .* or a new file$"):
        join(tmp_path / "into.db", tmp_path / "text.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(TeachMattersError, match=r"empty\.db is empty"):
        join(tmp_path / "into.db", three[0], tmp_path / "empty.db")


def test_a_busy_target_is_waited_for_and_then_refused(three: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.store.merge.merge.WAIT", 0.05)
    with closing(sqlite3.connect(three[0], isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        with pytest.raises(TeachMattersError, match=r"a\.db is locked by another program.*with --into"):
            join(*three)
