"""Tests of ``teachmatters.analyze``, the command from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import teachmatters
from teachmatters.errors import TeachMattersError
from teachmatters.reports.best_values import best_values
from teachmatters.reports.cell_rows import Cell
from tests.reports import stores


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: None) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_measures_then_reuses_and_shows_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    measured = teachmatters.analyze(["toy-a", "toy-b"], "knn-top1", data="toys", params={"k": [1, 5]}, limit=7)
    assert capsys.readouterr().err.count("done   toy-") == 2
    assert Path("results.db").exists()
    frame = measured.frame("knn-top1", headline=True)
    assert list(frame.columns[:5]) == ["model", "layer", "head", "metric", "value"]
    assert set(frame["setting"]) == {"k=1,5, limit=7"}
    best = measured.best.loc["knn-top1", "toy-a"]
    value, layer = (
        frame[frame["model"] == "toy-a"]
        .sort_values(["value", "layer"], ascending=[False, True])
        .iloc[0][["value", "layer"]]
    )
    assert best == f"{value:.1f} ({layer})"
    assert repr(measured).startswith("metric")
    assert "<td>" in measured._repr_html_()
    teachmatters.analyze("toy-a", "knn-top1", data="toys", params={"k": [1, 5]}, limit=7)
    assert "reused toy-a" in capsys.readouterr().err
    assert teachmatters.open().path == Path("results.db"), "the store that the commands find"


def test_an_error_is_raised_as_one_exception() -> None:
    with pytest.raises(TeachMattersError, match="unknown option limt; analyze takes"):
        teachmatters.analyze("toy-a", "knn", limt=3)  # type: ignore[call-arg]
    with pytest.raises(TeachMattersError, match="Did you mean 'knn'"):
        teachmatters.analyze("toy-a", "knm", data="toys")
    with pytest.raises(TeachMattersError, match=r"toy-broken, knn: toy-broken is broken\. The rest is in other.db"):
        teachmatters.analyze(["toy-a", "toy-broken"], "knn", data="toys", db="other.db")
    assert set(teachmatters.open("other.db").frame("knn-top1")["model"]) == {"toy-a"}


def filled(path: Path) -> dict[Cell, set[str]]:
    """Two models with a metric of each direction; return their cells."""
    scores = {"dino-s16": [10.0, 70.0, 70.0, 20.0], "mae-b16": [30.0, 20.0, 10.0, 5.0]}
    for name, values in scores.items():
        row = stores.model(name, depth=4)
        for metric in (stores.TOP1, stores.LOSS, stores.DISTANCE):
            scale = 100.0 if metric is stores.DISTANCE else 1.0
            stores.record(path, row, metric, stores.values(metric, [value / scale for value in values]))
    metrics = {"knn": {"knn-top1"}, "toy": {"toy-loss"}, "attn": {"attn-distance"}}
    return {Cell(name, "", "photos", analysis, ""): own for name in scores for analysis, own in metrics.items()}


def test_best_worst_and_first_to_last(tmp_path: Path) -> None:
    path = tmp_path / "made.db"
    found = best_values(path, filled(path))
    assert found.columns == ["metric", "dino-s16", "mae-b16"]
    assert {row[0]: row[1:] for row in found.rows} == {
        "knn-top1": ["70.0 (2)", "30.0 (1)"],
        "toy-loss": ["10.00 (1)", "5.000 (4)"],
        "attn-distance": ["0.1000 to 0.2000", "0.3000 to 0.05000"],
    }
    names = [row[0] for row in found.rows]
    assert found.bold == {(names.index("knn-top1"), 1), (names.index("toy-loss"), 2)}


def test_too_many_metrics_are_cut_to_those_with_a_direction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made.db"
    monkeypatch.setattr("teachmatters.reports.best_values.MOST", 2)
    found = best_values(path, filled(path))
    assert ({row[0] for row in found.rows}, found.omitted) == ({"knn-top1", "toy-loss"}, ["attn-distance"])


def test_another_cell_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "made.db"
    cells = {Cell(cell.model, "", cell.dataset, cell.analysis, "limit=2"): own for cell, own in filled(path).items()}
    assert best_values(path, cells).rows == []
