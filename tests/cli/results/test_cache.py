"""Tests of ``tm cache``: listing and removing entries."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from tests.runner.session.test_analyze import Runs

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    run = Runs(tmp_path / "store.db")
    run("toy-a", "knn-top1", param=["k=1"])
    run("toy-b", "toy-similarity", param=["bad=3"])
    return run.path


def cache(*words: object) -> Result:
    return CliRunner().invoke(app, ["cache", *map(str, words)])


def test_info_lists_features_and_states(store: Path) -> None:
    result = cache("info", "--db", store, "--format", "json")
    rows = {row["kind"]: row for row in json.loads(result.stdout)}
    expected = {"model": "toy-a", "data": "toys", "readout": "cls", "images": 21, "layers": 3}
    assert expected.items() <= rows["features"].items()
    expected = {"model": "toy-b", "data": "toys", "readout": "", "images": 20, "layers": 2}
    assert expected.items() <= rows["toy-pairs"].items()
    for row in rows.values():
        files = list(Path(row["path"]).iterdir())
        assert row["bytes"] == sum(path.stat().st_size for path in files)
    text = cache("info", "--db", store)
    assert "toy-pairs" in text.stdout
    assert f"2 entries, {sum(row['bytes'] for row in rows.values()) / 1000:.1f} kB" in text.stderr


def test_without_a_cache_nothing_is_shown_or_created(tmp_path: Path) -> None:
    result = cache("info", "--db", tmp_path / "none.db")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing is cached in" in result.stderr
    assert json.loads(cache("info", "--db", tmp_path / "none.db", "--format", "json").stdout) == []
    assert "nothing to remove" in cache("prune", "--all", "--db", tmp_path / "none.db").stderr
    assert list(tmp_path.iterdir()) == []


def test_prune_reports_the_freed_space_and_keeps_the_rest(store: Path) -> None:
    folder = store.with_name("store.db.cache")
    (folder / "notes.txt").write_text("mine")
    result = cache("prune", "toy-a", "--db", store)
    assert (result.exit_code, result.stdout) == (0, "")
    first, last = result.stderr.splitlines()
    assert first.startswith("removed features-")
    assert "(toy-a on toys): " in first
    assert last.startswith("freed ")
    assert [path.name.split("-")[0] for path in sorted(folder.iterdir())] == ["notes.txt", "toy"]
    cache("prune", "--all", "--db", store)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert store.exists()


def test_prune_by_age(store: Path) -> None:
    (about,) = store.with_name("store.db.cache").glob("features-*/about.json")
    assert "nothing to remove" in cache("prune", "--older-than", 1, "--db", store).stderr
    os.utime(about, (0, 0))
    assert "(toy-a on toys)" in cache("prune", "--older-than", 1, "--db", store).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no entries chosen"),
        (("dino-b16", "--all"), "exclude each other; give one of them"),
        (("--older-than", "-1"), "at least 0"),
        (("features-z",), "unknown cache entry 'features-z'. Did you mean 'features"),
    ],
)
def test_an_entry_that_cannot_be_removed_is_a_one_line_error(store: Path, words: tuple[str, ...], said: str) -> None:
    result = cache("prune", *words, "--db", store)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_every_command_shows_examples() -> None:
    for command in ("info", "prune"):
        text = cache(command, "--help").stdout
        assert "Examples:" in text
        assert text.count("  tm cache ") >= 2
