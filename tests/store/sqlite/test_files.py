"""Tests of files that are not usable stores: a one-line error, and the file unchanged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, info, public, query
from teachmatters.store.migrate import migrate
from tests.store.samples import DISTANCE, numbers, run, store_at


def _text(path: Path) -> None:
    path.write_text("model,layer,value\n" * 100)


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.commit()


def _foreign_wal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    _foreign(path)


def _newer(path: Path) -> None:
    store_at(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE {public.VERSION_TABLE} SET version_num = '9999'")
        connection.commit()


def _damaged(path: Path) -> None:
    store_at(path)
    content = bytearray(path.read_bytes())
    content[16:4096] = os.urandom(4080)
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00")


def _unsaid(path: Path) -> None:
    store_at(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DELETE FROM {public.VERSION_TABLE}")
        connection.commit()


BAD: list[tuple[Callable[[Path], None], str]] = [
    (_text, "is not a SQLite file"),
    (_foreign, "is a SQLite file but not a results store"),
    (_foreign_wal, "is a SQLite file but not a results store"),
    (_newer, r"written by a newer teachmatters \(revision 9999"),
    (_damaged, "is not a SQLite file|is damaged|cannot be opened"),
    (_cut, "is not a SQLite file|is damaged"),
    (_unsaid, "has no revision"),
]

USES: dict[str, Callable[[Path], object]] = {
    "writing": Store.open,
    "migrating": migrate,
    "reading": lambda path: query(path, "SELECT 1"),
    "info": info,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("make", "words"), BAD)
def test_a_bad_file_is_refused_and_not_changed(
    tmp_path: Path, make: Callable[[Path], None], words: str, use: str
) -> None:
    path = tmp_path / "r.db"
    make(path)
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(TeachMattersError, match=words) as caught:
        USES[use](path)
    assert str(path) in str(caught.value)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("use", USES)
def test_a_folder_is_refused(tmp_path: Path, use: str) -> None:
    with pytest.raises(TeachMattersError, match="is a folder"):
        USES[use](tmp_path)


@pytest.mark.parametrize("use", ["writing", "migrating"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_marked_read_only_is_refused(tmp_path: Path, what: str, use: str) -> None:
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1)))
    marked, before = (path, 0o644) if what == "file" else (tmp_path, 0o755)
    marked.chmod(0o444 if what == "file" else 0o555)
    try:
        with pytest.raises(TeachMattersError, match="is read-only"):
            USES[use](path)
        assert list(tmp_path.iterdir()) == [path]
    finally:
        marked.chmod(before)


def test_a_folder_that_cannot_be_written_gets_no_store(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(TeachMattersError, match="is read-only"):
            Store.open(tmp_path / "r.db")
    finally:
        tmp_path.chmod(0o755)


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="does not exist"):
        Store.open(tmp_path / "none" / "r.db")
    assert list(tmp_path.iterdir()) == []


def test_special_files_are_refused() -> None:
    for use in USES.values():
        with pytest.raises(TeachMattersError, match="not a regular file"):
            use(Path("/dev/null"))


def test_an_empty_file_is_not_a_readable_store(tmp_path: Path) -> None:
    (tmp_path / "r.db").touch()
    with pytest.raises(TeachMattersError, match="is empty"):
        query(tmp_path / "r.db", "SELECT 1")
    assert (tmp_path / "r.db").stat().st_size == 0


def test_a_store_locked_against_reading_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from teachmatters.store.sqlite import read_connection

    path = store_at(tmp_path / "r.db")
    monkeypatch.setattr(read_connection, "WAIT", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TeachMattersError, match="locked by another program"):
            query(path, "SELECT 1")
