"""Tests of the table of best layers for papers, in Markdown and LaTeX."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.api import StoredMap
from teachmatters.cli.app import app
from tests.reports import stores

SCORES = {"dino-s16": [10.0, 70.0, 70.0, 20.0], "mae-b16": [30.0, 20.0, 10.0, 5.0]}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    path = tmp_path_factory.mktemp("plain") / "results.db"
    for name, scores in SCORES.items():
        units = [np.array([score - 5, score + 5] * 8, dtype=np.float32) for score in scores]
        names = tuple(map(str, range(16)))
        maps = [
            StoredMap(name="unit:knn-top1", layer=layer, axes=("unit",), array=array, units=names)
            for layer, array in enumerate(units, start=1)
        ]
        row = stores.model(name, depth=4)
        stores.record(path, row, stores.TOP1, stores.values(stores.TOP1, scores), maps=maps)
        stores.record(path, row, stores.LOSS, stores.values(stores.LOSS, scores))
    return path


def report(path: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words, "--db", str(path)], env={"COLUMNS": "200"})


PLAIN = ("best-layers", "--plain", "--metric", "knn-top1", "--metric", "toy-loss")


def test_scores_with_their_layer_and_the_best_of_each_column_bold(path: Path) -> None:
    result = report(path, *PLAIN, "--format", "markdown", "--name", "dino-s16=our DINO")
    assert result.stdout == (
        "| model | k-NN top-1, percent | Loss |\n"
        "| :-- | --: | --: |\n"
        "| our DINO | **70.0 (2)** | 10.00 (1) |\n"
        "| MAE B/16 | 30.0 (1) | **5.000 (4)** |\n"
        "\n"
        "The best layer of each model: score, and layer in parentheses. Bold: the best of each column. Data: photos.\n"
    )


def test_intervals_are_columns_where_units_have_scores(path: Path) -> None:
    head, _, dino, mae, *_ = report(path, *PLAIN, "--intervals", "--format", "markdown").stdout.splitlines()
    assert [cell.strip() for cell in head.split("|")[1:-1]] == ["model", "k-NN top-1, percent", "95 % interval", "Loss"]
    low, high = (float(bound) for bound in dino.split("|")[3].split(" to "))
    assert 65 <= low < 70 < high <= 75
    assert " to " in mae


def test_latex_has_caption_and_label(path: Path) -> None:
    text = report(path, *PLAIN, "--format", "latex", "--name", "mae-b16=50% MAE").stdout
    assert text.startswith(
        "% The preamble needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n\\caption{The best layer"
    )
    assert "\\label{tab:best-layers}\n\\begin{tabular}{lrr}\n" in text
    assert "50\\% MAE & 30.0 (1) & \\textbf{5.000 (4)} \\\\\n" in text
    assert text.endswith("\\end{tabular}\n\\end{table}\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("knn --plain", "report 'knn' has no --plain table; best-layers has one."),
        ("best-layers --intervals", "--intervals adds columns to the table of --plain; give both."),
        ("best-layers --name mae-b16=dino-s16", "two models would be named 'dino-s16'"),
        ("best-layers --name mae-b61=x", "Did you mean 'mae-b16'?"),
        ("page --plain", "report 'page' takes no --plain"),
        ("--plain", "--plain without the name of a report"),
    ],
)
def test_incompatible_options_are_one_line_errors(path: Path, words: str, error: str) -> None:
    result = report(path, *words.split())
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert error in result.stderr
    assert report(path, "best-layers", "--name", "nothing").exit_code == 2


def test_a_display_name_is_in_every_table_and_not_in_raw_rows(path: Path) -> None:
    named = ("--metric", "knn-top1", "--name", "mae-b16=MAE")
    assert "MAE" in report(path, "metric", *named).stdout
    assert "mae-b16" in report(path, "metric", *named, "--format", "csv").stdout
    first, second = report(path, "compare", *named, "--model", "mae-b16", "--model", "dino-s16").stdout, "MAE"
    assert second in first


def test_open_shows_the_figure_in_a_browser(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Browser:
        def open(self, address: str) -> bool:
            opened.append(address)
            return True

    monkeypatch.setattr(webbrowser, "get", Browser)
    assert report(path, "knn", "--open").exit_code == 0
    assert opened[0].startswith("file://")
    assert opened[0].endswith("/knn.png")
    assert Path(opened[0].removeprefix("file://")).stat().st_size > 1000

    def none() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none)
    assert "no browser to open it in; the file is " in report(path, "knn", "--open").stderr
