from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.store import Store, head
from tests.reports.stores import typical


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return typical(tmp_path_factory.mktemp("cli") / "results.db")


def db(*words: object) -> Result:
    return CliRunner().invoke(app, ["db", *map(str, words)])


def test_path_is_the_file_that_is_read(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert db("path", "--db", store).stdout == f"{store.resolve()}\n"
    monkeypatch.chdir(store.parent)
    assert db("path").stdout == f"{store.resolve()}\n"
    other = tmp_path / "other.db"
    Store.open(other).close()
    monkeypatch.setenv("TM_DB", str(other))
    assert db("path").stdout == f"{other.resolve()}\n"
    assert db("path", "--db", store).stdout == f"{store.resolve()}\n"


def test_info_counts(store: Path) -> None:
    facts = json.loads(db("info", "--db", store, "--format", "json").stdout)
    assert len(facts) == 1
    expected = {"runs": 6, "models": 2, "datasets": 3, "metrics": 3, "needs_migration": 0, "revision": head()}
    assert expected.items() <= facts[0].items()
    assert "runs" in db("info", "--db", store).stdout


def test_migrate_leaves_a_store_of_today_as_it_is(store: Path) -> None:
    facts = db("info", "--db", store).stdout
    result = db("migrate", "--db", store)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"up to date (revision {head()})" in result.stderr
    assert db("info", "--db", store).stdout == facts


def test_compact_says_the_sizes(tmp_path: Path) -> None:
    path = typical(tmp_path / "results.db")
    result = db("compact", "--db", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.fullmatch(rf"{path} is one file of [\d.]+ kB; it took [\d.]+ kB\n", result.stderr)
    facts = json.loads(db("info", "--db", path, "--format", "json").stdout)
    assert facts[0]["journal_mode"] == "delete"


@pytest.mark.parametrize("command", ["path", "info", "migrate", "compact"])
def test_a_store_that_is_not_there(command: str, tmp_path: Path) -> None:
    result = db(command, "--db", tmp_path / "none.db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "none.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["info", "migrate", "compact"])
def test_a_file_that_is_no_store(command: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello")
    result = db(command, "--db", tmp_path / "text.db")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "text.db").read_text() == "hello"


def test_every_command_shows_examples() -> None:
    for command in ("path", "info", "migrate", "compact"):
        text = db(command, "--help").stdout
        assert text.count("  tm db ") >= 1
        assert "Examples:" in text
