from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.cli.results.query import HELP
from tests.reports.stores import typical


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return typical(tmp_path_factory.mktemp("cli") / "results.db")


def query(*words: object) -> Result:
    return CliRunner().invoke(app, ["query", *map(str, words)])


def test_the_examples_of_the_help_work(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    commands = [shlex.split(line)[2:] for line in HELP.splitlines() if line.startswith("  tm")]
    assert len(commands) == 3
    for command in commands:
        result = query(*command)
        assert result.exit_code == 0, result.output
        assert "dino-s16" in result.stdout


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("SELECT modle FROM results", "no such column: modle. Did you mean 'model'? The views are results, "),
        ("SELECT r.metrik FROM results AS r", "Did you mean 'metric'?"),
        ("SELECT * FROM result", "no such table: result. Did you mean 'results'?"),
        ("SELECT zzz FROM results", "no such column: zzz. The views are results, all_results, runs, maps"),
    ],
)
def test_an_unknown_column_gets_the_nearest_name(store: Path, sql: str, advice: str) -> None:
    result = query(sql, "--db", store)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert advice in result.stderr


def test_every_format_holds_the_same(store: Path) -> None:
    sql = "SELECT model, layer, head, value FROM results WHERE metric = 'attn-distance' ORDER BY 1, 2, 3 LIMIT 9"
    objects = json.loads(query(sql, "--db", store, "--format", "json").stdout)
    assert len(objects) == 9
    rows = list(csv.DictReader(io.StringIO(query(sql, "--db", store, "--format", "csv").stdout)))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in objects] == rows
    for style, lines in (("table", 11), ("markdown", 11)):
        text = query(sql, "--db", store, "--format", style).stdout
        assert len(text.splitlines()) == lines
        assert all(repr(row["value"]) in text for row in objects)


def test_omitted_rows_are_reported_on_standard_error(store: Path) -> None:
    result = query("SELECT * FROM results", "--db", store, "--limit", 2, "--format", "json")
    assert len(json.loads(result.stdout)) == 2
    assert result.stderr == "Only the first 2 rows are shown; --limit N shows more.\n"
    assert query("SELECT 1", "--db", store, "--limit", 1).stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SELECT 1", "--limit", "0"], "--limit 0 is out of range; it must be at least 1."),
        (["SELECT 1", "--timeout", "0"], "--timeout 0 is out of range; it must be above 0."),
        (["SELECT 1", "--timeout", "nan"], "--timeout nan is out of range"),
        (["SELECT nothing FROM results"], "nothing"),
        (["DELETE FROM metrics"], "may only read"),
        (["WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n", "--timeout", "0.2"],
         "stopped after 0.2 seconds"),
        (["SELECT 1", "--db", "none.db"], "there is no results store at none.db"),
    ],
)  # fmt: skip
def test_bad_input_is_a_one_line_error(
    store: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(store.parent)
    result = query(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["SELECT 1", "--limit", "x"], ["SELECT 1", "--format", "latex"]])
def test_invalid_options_are_usage_errors(store: Path, words: list[str]) -> None:
    assert query("--db", store, *words).exit_code == 2
