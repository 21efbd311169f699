from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli import output
from teachmatters.cli.app import app
from teachmatters.cli.results.export import SUFFIXES
from teachmatters.reports.tables import export as exporting
from tests.reports.stores import typical
from tests.store.samples import beside, finish, rows, start

SERIES = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {}) SELECT {} FROM n"
TYPES = (
    "SELECT NULL AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS layer, NULL AS e "
    "UNION ALL SELECT 1, 2, 'x', x'00ff', NULL, 1 UNION ALL SELECT 2, 0.5, NULL, NULL, NULL, 'é'"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return typical(tmp_path_factory.mktemp("cli") / "results.db")


def tm(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("style", ["csv", "json"])
@pytest.mark.parametrize("sql", ["SELECT * FROM results", TYPES, "SELECT 1 AS a, 2 AS a", "SELECT 1 WHERE 0"])
def test_text_is_what_query_prints(store: Path, tmp_path: Path, style: str, sql: str) -> None:
    target = tmp_path / f"out.{style}"
    result = tm("export", "--db", store, "--query", sql, "--out", target)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert target.read_text("utf-8") == tm("query", sql, "--db", store, "--format", style).stdout


def test_the_whole_view_results_is_the_default(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.parquet"
    result = tm("export", "--db", store, "--out", target)
    kept = rows(store, "SELECT * FROM results")
    assert result.stderr == f"Wrote {len(kept):,} rows to {target}\n"
    table = pq.read_table(target)
    assert [tuple(row.values()) for row in table.to_pylist()] == kept
    types = {name: str(table.schema.field(name).type) for name in ("layer", "value", "head", "other_layer", "model")}
    assert types == {
        "layer": "int64", "value": "double", "head": "int64", "other_layer": "int64", "model": "large_string",
    }  # fmt: skip


@pytest.mark.parametrize("group", [1, 2, 50_000])
def test_a_parquet_column_has_one_type_whatever_comes_first(
    store: Path, tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teachmatters.reports.tables.parquet.ROWS", group)
    target = tmp_path / "out.parquet"
    tm("export", "--db", store, "--query", TYPES, "--out", target)
    table = pq.read_table(target)
    assert [str(field.type) for field in table.schema] == [
        "int64", "double", "large_string", "large_binary", "int64", "large_string",
    ]  # fmt: skip
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (None,) * 6, (1, 2.0, "x", b"\x00\xff", None, "1"), (2, 0.5, None, None, None, "é"),
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_memory_does_not_grow_with_the_rows(store: Path, tmp_path: Path, suffix: str) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        sql = SERIES.format(count, "zeroblob(200000)")
        assert exporting.export(store, sql, tmp_path / f"out{suffix}", 60, lambda *_: None) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(400) < 50_000_000  # the rows have 80


def test_long_exports_show_progress(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.Pulse, "EVERY", 0.0)
    result = tm("export", "--db", store, "--query", SERIES.format(25_000, "x"), "--out", tmp_path / "n.csv")
    said = ["writing: 10,000 rows so far", "writing: 20,000 rows so far", f"Wrote 25,000 rows to {tmp_path}/n.csv"]
    assert result.stderr.splitlines() == said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "out.txt"], "the name must end in .csv or .json or .parquet"),
        (["--out", "nowhere/out.csv"], "there is no folder 'nowhere'"),
        (["--out", "out.csv", "--timeout", "0"], "--timeout 0 is out of range"),
        (["--out", "out.csv", "--query", "DELETE FROM metrics"], "may only read"),
        (["--out", "out.csv", "--query", "SELECT nothing FROM results"], "nothing"),
        (["--out", "out.csv", "--query", SERIES.format(-1, "x"), "--timeout", "0.2"], "stopped after 0.2 seconds"),
        (["--out", "out.json", "--query", SERIES.format(-1, "x"), "--timeout", "0.2"], "stopped after 0.2 seconds"),
        (["--out", "out.parquet", "--query", SERIES.format(-1, "x"), "--timeout", "0.2"], "stopped after 0.2 seconds"),
        (["--out", "out.csv", "--db", "none.db"], "there is no results store at none.db"),
    ],
)
def test_bad_input_is_a_one_line_error(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TM_DB", str(store))
    result = tm("export", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    assert beside(store) == ["results.db"]


def test_an_existing_file_stays_until_the_new_one_is_complete(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    tm("export", "--db", store, "--query", SERIES.format(-1, "x"), "--timeout", 0.2, "--out", target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    tm("export", "--db", store, "--query", "SELECT 1 AS a", "--out", target)
    assert target.read_text() == "a\n1\n"


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from teachmatters.cli.app import app
app(["export", "--db", sys.argv[1], "--query", sys.argv[2], "--out", sys.argv[3]], prog_name="tm")
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_one_line_and_leaves_no_file(store: Path, tmp_path: Path, suffix: str) -> None:

    process = start(FULL, store, SERIES.format(500, "hex(randomblob(1000))"), tmp_path / f"out{suffix}")
    code, error = finish(process)
    assert code == 1
    assert len(error.splitlines()) == 1
    assert "File too large. Free some disk space" in error
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_it_says_how_to_install_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    result = tm("export", "--db", store, "--out", tmp_path / "out.parquet")
    assert result.exit_code == 1
    assert "pip install 'teachmatters[parquet]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1
