"""Tests of ``tm analyze`` with a bad device, store or disk: a one-line error, and nothing changes."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.store import Store, public, writer
from tests import toys as _toys  # noqa: F401  before torch is told that it has no devices

DB = Path("results.db")


def analyze(model: str, *more: str) -> Result:
    words = ["analyze", "--model", model, "--metric", "attn-distance", "--data", "toys", *more]
    return CliRunner().invoke(app, words)


def refused(answer: Result, words: str) -> None:
    assert answer.exit_code == 1, answer.output
    assert answer.stdout == ""
    assert answer.stderr.startswith("Error: ")
    assert answer.stderr.count("\n") == 1
    assert words in answer.stderr


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path().iterdir()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: None) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store() -> dict[str, bytes]:
    """A store with one model, and all files as they are now."""
    assert analyze("toy-a").exit_code == 0
    return files()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Another writer in the middle of its transaction."""
    with closing(sqlite3.connect(DB, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_an_unavailable_device_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    refused(
        analyze("toy-a", "--device", name), f"device {name!r} is not available: this machine has cpu; try --device auto"
    )
    assert files() == {}


def test_an_unknown_device_is_an_error() -> None:
    refused(analyze("toy-a", "--device", "tpu"), "unknown device 'tpu'; allowed: auto, cpu, cuda, mps")
    assert files() == {}


def test_a_locked_store_is_detected_before_measuring(store: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Store.open.__func__.__kwdefaults__, "timeout", 0.1)  # type: ignore[attr-defined]
    monkeypatch.setattr("tests.toys.toy_source", never)
    with held():
        refused(analyze("toy-b"), "results.db is locked by another program. Wait for it to finish")
    assert files() == store


def never(*_: object) -> None:
    raise AssertionError("the store is looked at first")


def test_a_store_that_stays_locked_after_measuring(store: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    record = Store.record

    def record_late(self: Store, *what: Any) -> None:
        with held():
            record(self, *what)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "PATIENCE", 0.1)
        patch.setattr(Store, "record", record_late)
        refused(analyze("toy-b"), "results.db is locked by another program. Wait for it to finish")
    assert files() == store
    assert analyze("toy-b").exit_code == 0


def test_a_store_marked_read_only(store: dict[str, bytes]) -> None:
    DB.chmod(0o444)
    refused(analyze("toy-b"), "results.db is read-only. 'chmod u+w")
    assert files() == store


def test_a_store_newer_than_the_code(store: dict[str, bytes]) -> None:
    with closing(sqlite3.connect(DB)) as connection, connection:
        connection.execute(f"UPDATE {public.VERSION_TABLE} SET version_num = '9999'")
    newer = files()
    refused(analyze("toy-b"), "results.db was written by a newer teachmatters (revision 9999; this one knows up to")
    assert files() == newer


def test_a_disk_that_is_full_after_measuring(store: dict[str, bytes]) -> None:
    with full_disk(32768):  # what SQLite needs to open a store for writing; its journal does not fit
        refused(analyze("toy-b"), "the disk is full")
    assert files() == store
    assert analyze("toy-b").exit_code == 0


def test_a_disk_that_is_full_from_the_beginning() -> None:
    with full_disk(8192):
        refused(analyze("toy-a"), "the disk is full")
    assert files() == {}
    assert analyze("toy-a").exit_code == 0
