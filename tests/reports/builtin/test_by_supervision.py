"""Tests of figures with a panel per supervision on one scale."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, PURITY, TOP1, model, record, values

METRIC, BEST = (next(spec for spec in REPORTS if spec.name == name) for name in ("metric", "best-layers"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for number, (label, way) in enumerate((("dino-s16", "alone"), ("dino-b16", "alone"), ("mae-b16", "pixels"))):
        row = model(label, supervision=way, depth=3)
        record(tmp_path / "r.db", row, TOP1, values(TOP1, [10.0 * number, 30.0, 50.0 + number]))
        record(tmp_path / "r.db", row, PURITY, values(PURITY, [0.1, 0.2, 0.9]))
    return tmp_path / "r.db"


def test_one_column_per_supervision_and_one_line_per_metric(path: Path) -> None:
    figure = run_report(METRIC, path, Options(metrics=("knn-top1", "purity-cls"), by="supervision")).figure()
    assert [ax.get_title() for ax in figure.axes] == ["alone", "pixels", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["k-NN top-1, percent", "", "Purity", ""]
    assert [len(ax.lines) for ax in figure.axes] == [2, 1, 2, 1]
    assert np.asarray(figure.axes[1].lines[0].get_ydata()).tolist() == [20.0, 30.0, 52.0]
    for left, right, (low, high) in zip(figure.axes[::2], figure.axes[1::2], ((0, 52), (0.1, 0.9)), strict=True):
        assert left.get_ylim() == right.get_ylim()
        assert left.get_ylim()[0] < low
        assert left.get_ylim()[1] > high


def test_deviations_are_within_the_scale_and_only_the_first_panel_is_numbered(tmp_path: Path) -> None:
    for label, level in (("dino-s16", 0.2), ("random-s16", 0.3)):
        row = model(label, supervision="none" if label == "random-s16" else "alone", depth=2)
        record(tmp_path / "r.db", row, DISTANCE, values(DISTANCE, [level, level], std=0.5))
    left, right = run_report(METRIC, tmp_path / "r.db", Options(by="supervision")).figure().axes
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[0] < 0.2 - 1.96 * 0.5 / 8**0.5
    assert left.get_ylim()[1] > 0.3 + 1.96 * 0.5 / 8**0.5
    assert [ax.yaxis.get_tick_params()["labelleft"] for ax in (left, right)] == [True, False]
    assert [ax.get_title() for ax in (left, right)] == ["alone", "no training"]


def test_a_model_of_unknown_supervision_has_its_own_panel(tmp_path: Path) -> None:
    known, unknown = model("dino-s16", supervision="self-distillation"), model("dino-mine")
    for row in (known, dataclasses.replace(unknown, supervision="")):
        record(tmp_path / "r.db", row, TOP1, values(TOP1, [1.0, 5.0]))
    figure = run_report(METRIC, tmp_path / "r.db", Options(by="supervision")).figure()
    assert [ax.get_title() for ax in figure.axes] == ["self-distillation", "training unknown"]
    best = run_report(BEST, tmp_path / "r.db", Options(metrics=("knn-top1",))).table
    assert best["supervision"].tolist() == ["self-distillation", ""]


def test_equal_values_get_an_axis_range(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a", depth=2), TOP1, values(TOP1, [5.0, 5.0]))
    (ax,) = run_report(METRIC, tmp_path / "r.db", Options(by="supervision")).figure().axes
    assert ax.get_ylim() == (4.0, 6.0)


def test_a_report_without_lines_refuses_by_supervision(path: Path) -> None:
    with pytest.raises(TeachMattersError, match="'best-layers' takes no --by"):
        run_report(BEST, path, Options(by="supervision"))


def test_pooled_lines_are_the_means_of_models_over_relative_depth(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for label, numbers in (("mae-s16", [10.0, 30.0]), ("mae-b16", [1.0, 2.0, 3.0, 4.0]), ("dino-s16", [5.0, 6.0])):
        record(path, model(label, depth=len(numbers)), TOP1, values(TOP1, numbers))
    options = Options(by="supervision", pool=True)
    figure = run_report(METRIC, path, options).figure()
    lines = {line.get_color(): line for line in figure.axes[0].lines if line.get_linewidth() == 2}
    pooled = lines["#CC79A7"]
    assert np.asarray(pooled.get_xdata()).tolist() == [0.5, 0.75, 1.0]
    assert np.asarray(pooled.get_ydata()).tolist() == [6.0, 11.5, 17.0]
    assert len(figure.axes[0].lines) == 4, "two means, and the two models of one of them"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["self-distillation (1 model)", "masked reconstruction (2 models)"]
    with pytest.raises(TeachMattersError, match="--by supervision"):
        run_report(METRIC, path, Options(pool=True))
