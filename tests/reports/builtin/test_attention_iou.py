"""Readers beside each other, for every data set there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from teachmatters.analyses.attention.mask_specs import ATTENTION_IOU
from teachmatters.api import Record
from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import Report, run_report
from tests.reports.stores import model, record

SPEC = next(spec for spec in REPORTS if spec.name == "attention-iou")
FACTS = {metric.name: metric for metric in ATTENTION_IOU.metrics}
BEST = [f"attn-iou-{reader}-best" for reader in ("cls", "spatial", "center")]


def fill(path: Path, models: Sequence[str], data: Sequence[str], depth: int = 12) -> Path:
    """Curves whose height tells metric, model and data set apart."""
    for number, label in enumerate(models):
        for where in data:
            for place, name in enumerate(BEST):
                height = 0.5 - 0.1 * place - 0.03 * number + 0.05 * (where == "coco")
                rows = [Record(metric=name, layer=n, value=height * n / depth) for n in range(1, depth + 1)]
                record(path, model(label, depth=depth), FACTS[name], rows, data=where, analysis="attention-iou")
    plain = [Record(metric="attn-iou-cls", layer=1, value=0.9), Record(metric="attn-iou-cls", layer=1, head=1, value=1)]
    record(path, model(models[0], depth=depth), FACTS["attn-iou-cls"], plain, data=data[0], analysis="attention-iou")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = fill(tmp_path_factory.mktemp("iou") / "r.db", ["mae-b16", "dino-b16"], ["coco", "partimagenet"], depth=4)
    return run_report(SPEC, path, Options())


def test_the_table_has_a_row_for_each_data_set_metric_and_layer(report: Report) -> None:
    table = report.table
    assert list(table.columns) == ["dataset", "metric", "layer", "dino-b16", "mae-b16"]
    assert table.attrs["labels"] == 3
    rows = {tuple(row[:3]): row[3:] for row in table.to_numpy().tolist()}
    assert len(rows) == 2 * 3 * 4
    assert rows["coco", "attn-iou-cls-best", "4"] == ["0.5200", "0.5500"]
    assert rows["partimagenet", "attn-iou-center-best", "2"] == ["0.1350", "0.1500"]


def test_one_metric_of_one_data_set_needs_no_name_in_its_rows(report: Report, tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", ["dino-b16"], ["scenes"])
    table = run_report(SPEC, path, Options(metrics=("attn-iou-cls",))).table
    assert table.to_dict("list") == {"layer": ["1"], "dino-b16": ["0.9000"]}


def test_each_data_set_is_a_row_of_panels_with_the_class_token_first(report: Report) -> None:
    axes = report.figure().axes
    titles = [ax.get_title() for ax in axes]
    assert titles == 2 * [FACTS[name].title for name in BEST]
    assert [ax.get_ylabel() for ax in axes] == ["coco", "", "", "partimagenet", "", ""]
    assert {ax.get_ylim() for ax in axes} == {axes[0].get_ylim()}
    for ax, height in zip(axes, (0.55, 0.45, 0.35, 0.5, 0.4, 0.3), strict=True):
        lines = {line.get_color(): np.asarray(line.get_ydata()).tolist() for line in ax.lines}
        mae, dino = lines["#CC79A7"], lines["#009E73"]
        assert mae == pytest.approx([height * n / 4 for n in (1, 2, 3, 4)])
        assert dino[-1] == pytest.approx(height - 0.03)


def test_only_what_is_there_is_drawn(tmp_path: Path) -> None:
    figure = run_report(SPEC, fill(tmp_path / "r.db", ["dino-b16"], ["scenes"]), Options(layers=(2, 3))).figure()
    assert [ax.get_title() for ax in figure.axes] == [FACTS[name].title for name in BEST]


def test_a_store_without_it_says_what_to_run(store: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"attn-iou-cls-best.*tm analyze .*attn-iou-cls-best"):
        run_report(SPEC, store, Options())
