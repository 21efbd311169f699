"""Tests of writers and readers of one store that wait for each other, for a limited time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, connect, writer
from tests.store.samples import DISTANCE, numbers, rows, run, store_at


@contextmanager
def held(path: Path, seconds: float = 60, times: int = 1) -> Iterator[None]:
    """Somebody else has the write lock for so long, so many times with hardly a moment in between."""
    began, over = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for number in range(times):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA user_version = {number + 1}")
                began.set()
                over.wait(seconds)
                connection.execute("COMMIT" if times > 1 else "ROLLBACK")

    holder = threading.Thread(target=hold)
    holder.start()
    assert began.wait(10)
    try:
        yield
    finally:
        over.set()
        holder.join()


def test_a_locked_store_is_detected_on_opening(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db")
    with held(path):
        before, started = path.read_bytes(), time.monotonic()
        with pytest.raises(TeachMattersError, match="locked by another program"):
            Store.open(path, timeout=0.2)
        assert time.monotonic() - started < 5
        assert path.read_bytes() == before


def test_a_finished_run_waits_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store_at(tmp_path / "r.db")
    with Store.open(path) as store, held(path, 0.6):
        store.record(run(DISTANCE), numbers("attn-distance", 1))
    assert rows(path, "SELECT value FROM results") == [(1,)]
    monkeypatch.setattr(writer, "PATIENCE", 0.2)
    with Store.open(path) as store, held(path):
        assert store.recorded(run(DISTANCE).cell) == {"attn-distance"}  # reading needs no lock
        with pytest.raises(TeachMattersError, match="locked by another program"):
            store.record(run(DISTANCE), numbers("attn-distance", 2))


def test_a_lock_passed_between_processes_is_waited_for(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db")
    with held(path, 0.4, times=5):
        Store.open(path, timeout=0.8).close()


def test_a_commit_waits_for_readers_of_a_store_without_a_log(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db")  # made, and not yet with a write-ahead log
    with closing(connect(path, threads=True)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM runs").fetchone()
        over = threading.Timer(1, reading.close)
        over.start()
        store_at(path, (run(DISTANCE), numbers("attn-distance", 1)))
        over.join()
    assert rows(path, "SELECT value FROM results") == [(1,)]
