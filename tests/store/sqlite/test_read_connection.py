"""Tests of reading a store in another user's folder: nothing is created or changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import query
from tests.killing import die_at, forked
from tests.store.samples import DISTANCE, finish, numbers, run, start, store_at

NOBODY = 65534
COUNT = "SELECT count(*), total(value) FROM all_results"
CHANGE = "UPDATE records SET value = value + 1"


def _journal_mode(path: Path, mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")


def _change_until_killed(path: Path, checkpoint: bool) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that half of it is in the file by then
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("BEGIN")
        connection.execute(CHANGE)
        if not checkpoint:
            os.kill(os.getpid(), 9)
        connection.execute("COMMIT")
        die_at(5)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _killed(mode: str, checkpoint: bool, path: Path) -> None:
    _journal_mode(path, mode)
    assert forked(partial(_change_until_killed, path, checkpoint)) == -9


def _without_index(path: Path) -> None:
    _killed("wal", True, path)
    path.with_name("r.db-shm").unlink()  # as where only the two files were copied


LEFT: dict[str, tuple[Callable[[Path], object], float]] = {  # what was left there, and the numbers' sum then
    "a store at rest": (partial(_journal_mode, mode="wal"), 499_500),
    "a shipped one": (partial(_journal_mode, mode="delete"), 499_500),
    "killed with a journal": (partial(_killed, "delete", False), 499_500),
    "killed with a log": (partial(_killed, "wal", False), 499_500),
    "killed in a checkpoint": (partial(_killed, "wal", True), 500_500),
    "the same, copied": (_without_index, 500_500),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where anybody may look."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    for path in made.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(made)


def test_a_store_is_read_without_changes(folder: Path) -> None:
    code = "from tests.store.sqlite.test_read_connection import read_all\nread_all(Path(sys.argv[1]))\n"
    assert finish(start(code, folder)) == (0, "")


def read_all(folder: Path) -> None:
    """In a process that may become another user: one that may write everything is no test."""
    for name, (leave, total) in LEFT.items():
        place = folder / name
        place.mkdir()
        path = store_at(place / "r.db", (run(DISTANCE), numbers("attn-distance", *range(1000))))
        leave(path)
        for file in place.iterdir():
            file.chmod(0o444)
        place.chmod(0o555)
        assert forked(partial(_read_as_somebody_else, path, total)) == 0, name


def _read_as_somebody_else(path: Path, total: float) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert query(path, COUNT).rows == [(1000, total)]
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_failed_copy_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = store_at(folder / "r.db", (run(DISTANCE), numbers("attn-distance", *range(1000))))
    code = "from tests.store.sqlite.test_read_connection import _killed\n_killed('delete', False, Path(sys.argv[1]))\n"
    assert finish(start(code, path)) == (0, "")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TeachMattersError, match=r"r\.db was left half-written.*tm db migrate"):
        query(path, COUNT)
    assert list(tmp_path.iterdir()) == []
