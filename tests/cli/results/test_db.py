from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.store import Store, head
from tests.reports.stores import DISTANCE, model, record, typical, values


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


def test_migrate_leaves_a_current_store_unchanged(store: Path) -> None:
    facts = db("info", "--db", store).stdout
    result = db("migrate", "--db", store)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"up to date (revision {head()})" in result.stderr
    assert db("info", "--db", store).stdout == facts


def test_compact_reports_the_sizes(tmp_path: Path) -> None:
    path = typical(tmp_path / "results.db")
    result = db("compact", "--db", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.fullmatch(rf"{path} is one file of [\d.]+ kB; before: [\d.]+ kB\n", result.stderr)
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
def test_a_file_that_is_not_a_store(command: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello")
    result = db(command, "--db", tmp_path / "text.db")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "text.db").read_text() == "hello"


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Stores of two machines that measured one thing with other numbers."""
    for nth in (1, 2):
        record(tmp_path / f"{nth}.db", model("dino-s16"), DISTANCE, values(DISTANCE, [0.1, nth]))
    record(tmp_path / "2.db", model("mae-b16"), DISTANCE, values(DISTANCE, [0.1]))
    return tmp_path / "1.db", tmp_path / "2.db"


def test_merge_reports_the_result_for_every_file(two: tuple[Path, Path], tmp_path: Path) -> None:
    result = db("merge", *two, "--into", tmp_path / "all.db")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if not line.startswith("-")]
    assert lines == [
        ["file", "runs", "added", "already_there", "conflicts"],
        [str(two[0]), "1", "1", "0", "0"],
        [str(two[1]), "2", "2", "0", "1"],
    ]
    said = (
        "conflict: dino-s16, photos, attn: 1 of 2 numbers differ, by up to 1 (attn-distance, layer 2). Reports use the "
    )
    (line,) = result.stderr.splitlines()
    assert line.startswith(said)
    again = db("merge", *two, "--into", tmp_path / "all.db")
    assert (again.exit_code, again.stderr) == (0, "")
    assert [line.split()[-3:] for line in again.stdout.splitlines()[-2:]] == [["0", "1", "0"], ["0", "2", "0"]]


def test_merge_as_json(two: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = json.loads(db("merge", *two, "--into", tmp_path / "all.db", "--format", "json").stdout)
    assert first == {"file": str(two[0]), "runs": 1, "added": 1, "already_there": 0, "conflicts": []}
    (conflict,) = second.pop("conflicts")
    assert second == {"file": str(two[1]), "runs": 2, "added": 2, "already_there": 0}
    assert conflict["what"] == "dino-s16, photos, attn"
    assert "1 of 2 numbers differ" in conflict["why"]
    assert len(set(conflict["run_ids"])) == 2


def test_a_long_list_of_conflicts_is_cut(tmp_path: Path) -> None:
    for name in ("1.db", "2.db"):
        for nth in range(23):
            record(tmp_path / name, model(f"m-{nth}"), DISTANCE, values(DISTANCE, [float(name[0])]))
    result = db("merge", tmp_path / "1.db", tmp_path / "2.db", "--into", tmp_path / "all.db")
    assert len(result.stderr.splitlines()) == 21
    assert result.stderr.splitlines()[-1] == "3 more conflicts; --format json lists them all"


def test_merge_errors_are_one_line(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello")
    wrong = {
        ("none.db", "all.db"): "there is no results store at .*none.db",
        ("text.db", "all.db"): ".*text.db is not a SQLite file",
        ("1.db", "text.db"): ".*text.db is not a SQLite file.*with --into",
        ("1.db", "none/all.db"): "the folder .*none does not exist.*with --into",
        ("1.db", "1.db"): "there is nothing to merge into .*1.db but itself",
    }
    for (source, into), words in wrong.items():
        result = db("merge", tmp_path / source, "--into", tmp_path / into)
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1
        assert re.match(f"Error: {words}", result.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.db", "2.db", "text.db"]
    assert db("merge", two[0]).exit_code == 2
    assert db("merge", "--into", two[0]).exit_code == 2


def test_every_command_shows_examples() -> None:
    for command in ("path", "info", "migrate", "compact", "merge"):
        text = db(command, "--help").stdout
        assert text.count("  tm db ") >= 1
        assert "Examples:" in text
