"""Tests of figures over the steps of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, LOSS, TOP1, model, record, values

METRIC = next(spec for spec in REPORTS if spec.name == "metric")
BY_STEP = Options(metrics=("knn-top1",), by="step")


def store(folder: Path, numbers: dict[str, list[float]], metric: Any = TOP1) -> Path:
    for label, layers in numbers.items():
        record(folder / "r.db", model(label, depth=len(layers)), metric, values(metric, layers))
    return folder / "r.db"


def lines(ax: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {
        line.get_label(): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in ax.lines
    }


def test_one_run_gets_a_line_for_each_layer(tmp_path: Path) -> None:
    path = store(tmp_path, {"run@100": [10.0, 30.0], "run@20": [5.0, 4.0], "other": [1.0, 1.0]})
    found = run_report(METRIC, path, BY_STEP)
    assert found.table.to_dict("list") == {
        "step": ["20", "100"],
        "layer 1": ["5.0", "10.0"],
        "layer 2": ["4.0", "30.0"],
        "best": ["5.0", "30.0"],
    }
    (ax,) = found.figure().axes
    assert lines(ax) == {"1": ([20, 100], [5.0, 10.0]), "2": ([20, 100], [4.0, 30.0])}
    assert (ax.get_title(), ax.get_xlabel(), ax.get_xscale()) == (
        "k-NN top-1, percent / run",
        "Training step",
        "linear",
    )


def test_several_runs_are_compared_at_their_best_layers(tmp_path: Path) -> None:
    path = store(tmp_path, {"a@0": [1.0, 2.0], "a@1000": [9.0, 3.0], "b@10": [4.0, 8.0], "b@1000": [0.0, 6.0]})
    (ax,) = run_report(METRIC, path, BY_STEP).figure().axes
    assert lines(ax) == {"a": ([0, 1000], [2.0, 9.0]), "b": ([10, 1000], [8.0, 6.0])}
    assert (ax.get_title(), ax.get_xscale()) == ("k-NN top-1, percent / best layer", "symlog")


def test_the_best_layer_is_the_lowest_where_lower_is_better(tmp_path: Path) -> None:
    path = store(tmp_path, {"a@1": [1.0, 2.0], "b@1": [5.0, 3.0]}, LOSS)
    (ax,) = run_report(METRIC, path, Options(metrics=("toy-loss",), by="step")).figure().axes
    assert {name: y for name, (_, y) in lines(ax).items()} == {"a": [1.0], "b": [3.0]}


def test_replicates_give_a_mean_and_a_band(tmp_path: Path) -> None:
    path = store(tmp_path, {"run-seed0@1": [10.0], "run-seed1@1": [30.0], "run-seed0@2": [50.0], "run-seed1@2": [52.0]})
    found = run_report(METRIC, path, BY_STEP)
    assert found.table["layer 1"].tolist() == ["20.0", "51.0"]
    (ax,) = found.figure().axes
    assert lines(ax) == {"1": ([1, 2], [20.0, 51.0])}
    (band,) = ax.collections
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices).tolist()}
    assert {(1.0, 10.0), (1.0, 30.0), (2.0, 50.0), (2.0, 52.0)} <= corners


def test_a_metric_without_direction_gets_a_panel_for_each_run(tmp_path: Path) -> None:
    path = store(tmp_path, {"a@1": [0.1, 0.2], "a@2": [0.3, 0.4], "b@1": [0.5, 0.6]}, DISTANCE)
    found = run_report(METRIC, path, Options(metrics=("attn-distance",), by="step"))
    assert list(found.table.columns) == ["run", "step", "layer 1", "layer 2"]
    assert [" ".join(ax.get_title().split()) for ax in found.figure().axes] == [
        f"Mean attention distance / {run}" for run in "ab"
    ]


def test_models_without_a_step_are_refused(tmp_path: Path) -> None:
    path = store(tmp_path, {"dino": [1.0]})
    with pytest.raises(TeachMattersError, match="no model with values per layer is labelled RUN@STEP"):
        run_report(METRIC, path, BY_STEP).figure()


def test_runs_under_different_settings_are_not_averaged(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for setting, value in (("limit=2", 10.0), ("limit=3", 20.0)):
        record(path, model("a@1", depth=1), TOP1, values(TOP1, [value]), setting=setting)
    found = run_report(METRIC, path, Options(metrics=("knn-top1",), by="step", setting="limit=*"))
    assert found.table[["setting", "layer 1"]].to_numpy().tolist() == [["limit=2", "10.0"], ["limit=3", "20.0"]]
    assert [" ".join(ax.get_title().split()) for ax in found.figure().axes] == [
        f"k-NN top-1, percent / a [limit={limit}]" for limit in (2, 3)
    ]
