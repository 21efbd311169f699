"""Tests of the report attention-distance: the line of uniform attention, and the data set of the figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teachmatters.api import StoredMap
from teachmatters.reports.builtin.attention.attention_distance import uniform_distance
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, MAP, heads, model, record

SPEC = next(spec for spec in REPORTS if spec.name == "attention-distance")


@pytest.mark.parametrize("grid", [(3, 3), (2, 5)])
def test_uniform_attention_is_the_mean_distance_of_all_pairs_of_patches(grid: tuple[int, int]) -> None:
    places = np.array([(y, x) for y in range(grid[0]) for x in range(grid[1])]) / (max(grid) - 1)
    slow = np.mean([np.linalg.norm(a - b) for a in places for b in places])
    assert uniform_distance(f"6,{grid[0]},{grid[1]}") == pytest.approx(slow)


def test_the_figure_shows_the_data_set_of_most_models(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    pure = replace(MAP, name="attn-map-spatial-pure")
    array = StoredMap(name=pure.name, layer=1, axes=("head", "y", "x"), array=np.zeros((2, 3, 3), np.float32))
    record(path, model("dino-s16"), DISTANCE, heads(DISTANCE, [0.9]), data="digits")
    for label in ("dino-s16", "mae-s16"):
        record(path, model(label), DISTANCE, heads(DISTANCE, [0.4, 0.6]), data="photos")
    assert [len(ax.lines) for ax in run_report(SPEC, path, Options()).figure().axes] == [1, 1], "no grid, no line"
    record(path, model("dino-s16"), pure, [], analysis="attention", maps=[array])
    report = run_report(SPEC, path, Options())
    figure = report.figure()
    assert [ax.get_title() for ax in figure.axes] == ["DINO S/16\nself-distillation", "MAE S/16\nmasked reconstruction"]
    assert figure.get_suptitle() == "Data: photos (all); --data draws others: digits"
    assert [len(ax.lines) for ax in figure.axes] == [2, 1]
    assert set(report.rows["dataset"]) == {"digits", "photos"}, "the table has all"
    assert len(run_report(SPEC, path, Options(data=("*",))).figure().axes) == 3
