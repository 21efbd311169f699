from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Annotation

from teachmatters.api import Record
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import Report, run_report
from tests.reports.stores import LOSS, PCK, PURITY, TOP1, model, record, values

SPEC = next(spec for spec in REPORTS if spec.name == "best-layers")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("best") / "r.db"
    for label, top in (("mae-b16", 70.0), ("dino-s16", 60.0), ("random-s16", 70.0), ("hf-x", 5.0), ("clip-b16", 1.0)):
        record(
            path, model(label, depth=4), TOP1, values(TOP1, [1.0, top, top, 2.0][: 4 if top > 1 else 1]), data="digits"
        )
    finer = [Record(metric="knn-top1", layer=3, value=99.0, category="k=10")]
    record(path, model("moco-s16", depth=4), TOP1, [*values(TOP1, [9.0, 8.0]), *finer], data="digits")
    record(path, model("mae-b16", depth=4), PURITY, values(PURITY, [0.25, 0.5, 0.75, 0.5]))
    record(path, model("mae-b16", depth=4), PCK, values(PCK, [3.0, 2.0]), data="spair")
    record(path, model("mae-b16", depth=4), LOSS, values(LOSS, [3.0, 1.0, 1.0, 2.0]))
    return run_report(SPEC, path, Options())


def test_the_lowest_of_equal_layers_and_none_for_what_was_not_measured(report: Report) -> None:
    table = {str(row[1]): [str(cell) for cell in row] for row in report.table.to_numpy().tolist()}
    assert table["mae-b16"] == ["mae", "mae-b16", "70.0 (2)", "3.0 (1)", "0.7500 (3)"]
    assert table["moco-s16"] == ["moco", "moco-s16", "9.0 (1)", "", ""], "a category is no headline"
    assert table["clip-b16"] == ["clip", "clip-b16", "1.0 (1)", "", ""]


def test_columns_are_in_the_papers_order_without_official_pck(report: Report) -> None:
    assert list(report.table.columns[2:]) == ["knn-top1 / digits", "pck-0.10 / spair", "purity-cls / photos"]


def test_of_several_protocols_the_first_declared_is_shown(tmp_path: Path) -> None:
    path, row = tmp_path / "r.db", model("a")
    spec = replace(PCK, protocols=("zeta", "alpha"))
    both = [Record(metric="pck-0.10", protocol=name, layer=1, value=v) for name, v in (("alpha", 9.0), ("zeta", 2.0))]
    record(path, row, spec, both)
    assert run_report(SPEC, path, Options()).table.iloc[:, 2:].to_dict("list") == {"pck-0.10": ["2.0 (1)"]}
    record(path, row, replace(spec, protocols=("zeta",)), both[1:], data="spair")
    record(path, row, replace(spec, name="davis-jf", protocols=("alpha",)), [replace(both[0], metric="davis-jf")])
    table = run_report(SPEC, path, Options()).table
    assert table.iloc[0, 2:].tolist() == ["9.0 (1)", "2.0 (1)", "2.0 (1)"], "a metric that has only that protocol"


def test_models_are_grouped_and_the_untrained_come_last(report: Report) -> None:
    assert report.table["model"].tolist() == ["clip-b16", "dino-s16", "moco-s16", "mae-b16", "hf-x", "random-s16"]


def test_the_best_values_of_a_column_are_bold(report: Report) -> None:
    assert report.table.attrs["bold"] == {(3, 2), (5, 2), (3, 3), (3, 4)}


def test_lower_can_be_better(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for label, numbers in (("a", [3.0, 1.0, 1.0, 2.0]), ("b", [0.5, 0.7, 0.9, 0.8])):
        record(path, model(label), LOSS, values(LOSS, numbers))
    table = run_report(SPEC, path, Options(metrics=("toy-loss",))).table
    assert table["toy-loss"].tolist() == ["1.000 (2)", "0.5000 (1)"]
    assert table.attrs["bold"] == {(1, 2)}


def test_the_best_of_some_layers(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a"), TOP1, values(TOP1, [1.0, 9.0, 3.0]))
    table = run_report(SPEC, tmp_path / "r.db", Options(layers=(1, 3))).table
    assert table["knn-top1"].tolist() == ["3.0 (3)"]


def test_the_drawing_has_a_panel_for_each_task_and_a_mark_for_each_model(report: Report) -> None:
    axes = report.figure().axes
    assert [ax.get_title() for ax in axes] == [
        "k-NN top-1, percent / digits",
        "PCK, percent / spair",
        "Purity / photos",
    ]
    assert [len(ax.texts) for ax in axes] == [6, 1, 1]
    assert [tick.get_text() for tick in axes[0].get_yticklabels()][-1] == "CLIP B/16", "the first model is on top"
    assert {ax.get_xlabel() for ax in axes} == {"Best layer"}


def test_scores_are_next_to_the_panel_and_hide_no_tied_layer(report: Report) -> None:
    for ax in report.figure().axes:
        assert {text.xy[0] for text in ax.texts if isinstance(text, Annotation)} == {1.02}  # of the panel's width
        assert len(ax.texts) == sum(isinstance(text, Annotation) for text in ax.texts)


def test_depths_that_differ_share_a_relative_axis(tmp_path: Path) -> None:
    for label, depth in (("dino-b16", 4), ("mae-l16", 8)):
        record(tmp_path / "r.db", model(label, depth=depth), TOP1, values(TOP1, [1.0, 9.0, *[1.0] * (depth - 2)]))
    (ax,) = run_report(SPEC, tmp_path / "r.db", Options()).figure().axes
    assert ax.get_xlabel() == "Relative depth of the best layer"
    assert sorted(float(np.asarray(line.get_xdata())[-1]) for line in ax.lines if line.get_marker() in ("^", "v")) == [
        0.25,
        0.5,
    ]
