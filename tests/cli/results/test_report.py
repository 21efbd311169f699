from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from tests.reports.stores import DISTANCE, heads, model, record, typical


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return typical(tmp_path_factory.mktemp("cli") / "results.db")


def report(*words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_without_a_name_it_lists_the_reports() -> None:
    result = report("--format", "json")
    assert result.exit_code == 0
    assert {"metric", "attention-distance", "best-layers"} <= {row["report"] for row in json.loads(result.stdout)}


@pytest.mark.parametrize(
    "words",
    [("--plot", "x.png"), ("--out", "x.csv"), ("--sql",), ("--model", "a"), ("--layers", "1"), ("--by", "supervision")],
)
def test_options_without_a_name_are_refused(words: tuple[str, ...]) -> None:
    result = report(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    said = f"{words[0]} without the name of a report: write 'tm report NAME {words[0]} ...'; 'tm report' alone lists"
    assert result.stderr == f"Error: {said} the names\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--format", "csv"),
            "report 'page' takes no --format; it takes --model, --data, --setting, --title, --note, --short,",
        ),
        (("--metric", "knn-top1", "--layers", "1"), "takes no --metric, --layers;"),
        (("--out", "page.pdf"), "must end in .html"),
        (("--out", "nowhere/page.html"), "there is no folder"),
        (("--model", "nobody"), "unknown model 'nobody'"),
        (("--explore", "nowhere.png"), "no image 'nowhere.png'"),
    ],
)
def test_options_that_a_page_does_not_have_are_refused(
    store: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(store.parent)
    before = sorted(store.parent.iterdir())
    result = report("page", "--db", store, *words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(store.parent.iterdir()) == before


def test_a_table_for_people(store: Path) -> None:
    result = report("best-layers", "--db", store)
    assert result.stdout.splitlines() == [
        "supervision  model     knn-top1 / digits  purity-cls / imagenet50  purity-cls / photos",
        "-----------  --------  -----------------  -----------------------  -------------------",
        "dino         dino-s16          60.0 (12)               0.7000 (2)           0.4000 (4)",
        "mae          mae-b16           60.0 (12)",
        "",
        "Metric: knn-top1 (k-NN top-1, percent); purity-cls (Purity)",
        "Data: digits, imagenet50, photos",
    ]
    assert result.stderr == ""


def test_rows_for_programs(store: Path) -> None:
    words = ("metric", "--db", store, "--metric", "knn-top1", "--model", "dino", "--layers", "11-12")
    objects = json.loads(report(*words, "--format", "json").stdout)
    assert [(row["layer"], row["value"], row["head"]) for row in objects] == [
        (11, 100 * 0.6 * (11 / 12) ** 0.5, None), (12, 60.0, None),
    ]  # fmt: skip
    result = report(*words, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [float(row["value"]) for row in rows] == [row["value"] for row in objects]
    assert "Data: digits" in result.stderr


def test_markdown_and_latex(store: Path) -> None:
    text = report("best-layers", "--db", store, "--format", "markdown").stdout
    assert "| dino | dino-s16 | **60.0 (12)** | **0.7000 (2)** |" in text
    assert report("best-layers", "--db", store, "--format", "latex").stdout.startswith(
        "% The preamble needs \\usepackage{booktabs}\n\\begin{tabular}{llrrr}"
    )


def test_the_printed_sql_can_be_pasted(store: Path) -> None:
    sql = report("metric", "--db", store, "--sql").stdout.rstrip("\n")
    rows = report("metric", "--db", store, "--format", "csv").stdout
    assert CliRunner().invoke(app, ["query", sql, "--db", str(store), "--format", "csv"]).stdout == rows


def test_tables_can_be_written_to_files(store: Path, tmp_path: Path) -> None:
    result = report(
        "metric", "--db", store, "--out", tmp_path / "a.csv", "--format", "csv", "--plot", tmp_path / "a.svg"
    )
    assert result.stdout == ""
    assert (tmp_path / "a.csv").read_text() == report("metric", "--db", store, "--format", "csv").stdout
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert f"Drew {tmp_path / 'a.svg'}" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metrik"], "unknown report 'metrik'. Did you mean 'metric'?"),
        (["metric", "--db", "none.db"], "there is no results store at none.db"),
        (["metric", "--plot", "a.gif"], "the name must end in .png or .pdf or .svg"),
        (["metric", "--plot", "no/folder/a.png"], "there is no folder"),
        (["metric", "--out", "."], "is a folder"),
        (["metric", "--out", "x" * 300], "File name too long"),
        (["metric", "--out", "results.db"], "is a database and would be overwritten"),
        (["metric", "--layers", "0"], "numbers must be from 1"),
        (["metric", "--setting", "limit=9"], "no run in results.db has the setting 'limit=9'"),
        (["best-layers", "--heads", "1"], "takes no --heads"),
        (["metric", "--model", "dino-s61"], "Did you mean 'dino-s16'?"),
        (["metric", "--metric", "purity-cls", "--model", "mae-b16"], "'tm analyze --model"),
    ],
)
def test_bad_input_is_a_one_line_error(
    store: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(store.parent)
    before = store.read_bytes()
    result = report(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert store.read_bytes() == before


@pytest.mark.parametrize("words", [["--layers", "x"], ["--format", "xml"], ["--nothing"]])
def test_invalid_options_are_usage_errors(store: Path, words: list[str]) -> None:
    assert report("metric", "--db", store, *words).exit_code == 2


@pytest.mark.parametrize("label", ["o'brien", "<script>", "two\nlines", "-- x"])
def test_strange_labels(tmp_path: Path, label: str) -> None:
    record(tmp_path / "r.db", model(label, family="dino"), DISTANCE, heads(DISTANCE, [0.1, 0.2]))
    db = tmp_path / "r.db"
    shown = report("metric", "--db", db, f"--model={label}", "--format", "json")
    assert {row["model"] for row in json.loads(shown.stdout)} == {label}
    sql = report("metric", "--db", db, f"--model={label}", "--sql").stdout.rstrip("\n")
    assert CliRunner().invoke(app, ["query", sql, "--db", str(db), "--format", "json"]).stdout == shown.stdout


def test_nothing_heavy_is_imported_for_the_help() -> None:
    code = """
import sys
import teachmatters.cli.output
from teachmatters.cli.results import db, query, report
print(sorted({"torch", "pandas", "numpy", "sqlalchemy", "matplotlib"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_report_needs_no_torch(store: Path) -> None:
    code = f"""
import sys
sys.argv = ["tm", "report", "best-layers", "--db", {str(store)!r}, "--out", {str(store.parent / "out.txt")!r}]
from teachmatters.cli.app import main
try:
    main()
finally:
    print(sorted({{"torch", "timm", "sqlalchemy", "matplotlib"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
