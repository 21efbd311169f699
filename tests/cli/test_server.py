"""Tests of commands on a PostgreSQL server: measuring, reuse, reports and resuming, as with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.store.backend import backend_of
from teachmatters.store.location import Server
from tests.store.samples import rows

STUDY = """
db: {db}
models: [toy-a, toy-b]
measure:
  - {{data: toys, metrics: attn-distance}}
"""
ANALYZE = ["analyze", "--model", "toy-a", "--metric", "attn-distance", "--data", "toys"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: None) -> None:
    monkeypatch.chdir(tmp_path)


def tm(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result


def test_analyze_records_and_then_reuses(server: Server, tmp_path: Path) -> None:
    first = tm(*ANALYZE, "--db", server.url)
    assert f"recorded in {server}\n" in first.stderr
    assert tm(*ANALYZE, "--db", "file.db").stdout == first.stdout
    again = tm(*ANALYZE, "--db", server.url)
    assert again.stdout == first.stdout
    assert "reused toy-a" in again.stderr
    numbers = [json.loads(tm(*ANALYZE, "--format", "json", "--db", db).stdout) for db in (server.url, "file.db")]
    for row in (*numbers[0], *numbers[1]):
        del row["run_id"], row["finished_at"]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 3
    for words in (
        ["report", "metric"],
        ["report", "attention-distance"],
        ["query", "SELECT count(*) AS n FROM results"],
    ):
        assert tm(*words, "--db", server.url).stdout == tm(*words, "--db", "file.db").stdout
    names = {path.name for path in tmp_path.iterdir()} - {"file.db", "file.db.cache"}
    assert names <= {"lab.cache"}, "a server's cache lies here"


def test_a_study_on_a_server_resumes_there(server: Server, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.format(db=json.dumps(server.url)))
    assert not backend_of(server).exists()
    tm("study", "study.yaml", "--plan")
    assert not backend_of(server).exists(), "a plan makes nothing"
    done = tm("study", "study.yaml")
    assert done.stderr.endswith(f"done 2, reused 0, failed 0; the results are in {server}\n")
    assert tm("study", "study.yaml").stderr.endswith(f"done 0, reused 2, failed 0; the results are in {server}\n")
    assert rows(server, "SELECT count(*) FROM runs") == [(2,)]
    (facts,) = json.loads(tm("db", "info", "--db", server.url, "--format", "json").stdout)
    assert (facts["path"], facts["runs"], facts["models"], facts["needs_migration"]) == (str(server), 2, 2, 0)
