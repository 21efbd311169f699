"""Tests of reference lines, such as chance or a mask that stays in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from teachmatters.api import MetricSpec
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.page.chart_data import content
from teachmatters.reports.run import run_report
from tests.reports.stores import TOP1, model, record, values

METRIC = next(spec for spec in REPORTS if spec.name == "metric")
CHANCE = MetricSpec(name="knn-top1-chance", title="k-NN top-1, by chance", summary="Guessed.", unit="percent")
TASK = Options(metrics=("knn-top1",))


def filled(path: Path, *chances: float) -> Path:
    for label, chance in zip(("dino-s16", "mae-b16"), chances, strict=True):
        row = model(label, depth=2)
        record(path, row, TOP1, values(TOP1, [40.0, 50.0], std=1.0))
        record(path, row, CHANCE, values(CHANCE, [chance, chance]))
    return path


def test_equal_references_are_one_line_with_a_name(tmp_path: Path) -> None:
    report = run_report(METRIC, filled(tmp_path / "r.db", 10.0, 10.0), TASK)
    figure = report.figure()
    (ax,) = figure.axes
    across = [line for line in ax.lines if np.asarray(line.get_ydata()).tolist() == [10.0, 10.0]]
    assert len(across) == 1
    assert ax.get_ylim()[0] < 10
    assert "chance" in [text.get_text() for text in figure.legends[0].texts]
    assert report.table.columns.tolist() == ["layer", "dino-s16", "mae-b16"]
    assert content(report, "lines")["constant"]["reference_name"] == "chance"


def test_references_that_differ_are_a_dotted_line_each(tmp_path: Path) -> None:
    (ax,) = run_report(METRIC, filled(tmp_path / "r.db", 10.0, 12.0), TASK).figure().axes
    dotted = [np.asarray(line.get_ydata()).tolist() for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == [[10.0, 10.0], [12.0, 12.0]]


def test_a_reference_has_a_panel_only_if_requested_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "r.db", 10.0, 10.0)
    both = run_report(METRIC, path, Options(metrics=("knn-*",))).figure()
    assert [ax.get_title() for ax in both.axes] == ["k-NN top-1"]
    alone = run_report(METRIC, path, Options(metrics=("knn-top1-chance",))).figure()
    assert [ax.get_title() for ax in alone.axes] == ["k-NN top-1, by chance"]


def test_without_a_reference_the_rows_stay_as_they_are(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("dino-s16", depth=2), TOP1, values(TOP1, [40.0, 50.0]))
    assert "reference" not in run_report(METRIC, tmp_path / "r.db", TASK).data.columns
