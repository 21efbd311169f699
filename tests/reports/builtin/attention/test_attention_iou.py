"""Tests of the report attention-iou, for every data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.lines import Line2D

from teachmatters.analyses.attention.mask_specs import ATTENTION_IOU
from teachmatters.api import Record
from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import Report, run_report
from tests.reports.stores import model, record

SPEC = next(spec for spec in REPORTS if spec.name == "attention-iou")
FACTS = {metric.name: metric for metric in ATTENTION_IOU.metrics}
READERS = ("cls", "spatial", "center")
BEST, MEAN, CHANCE = ([f"attn-iou-{reader}{way}" for reader in READERS] for way in ("-best", "", "-chance"))
TITLES = [FACTS[name].title for name in BEST] + [FACTS[name].title + ", mean" for name in MEAN]


def fill(path: Path, models: Sequence[str], data: Sequence[str], depth: int = 12) -> Path:
    """Curves whose height tells metric, model and data set apart; only the first model has chances."""
    for number, label in enumerate(models):
        for where in data:
            for place, name in enumerate(BEST + MEAN + CHANCE * (number == 0)):
                height = 0.6 - 0.05 * place - 0.03 * number + 0.05 * (where == "coco")
                rows = [Record(metric=name, layer=n, value=height * n / depth) for n in range(1, depth + 1)]
                rows += [Record(metric=name, layer=1, head=1, value=1.0)] * (name in MEAN + CHANCE)
                record(path, model(label, depth=depth), FACTS[name], rows, data=where, analysis="attention-iou")
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
    assert len(rows) == 2 * 9 * 4
    assert rows["coco", "attn-iou-cls-best", "4"] == ["0.6200", "0.6500"]
    assert rows["partimagenet", "attn-iou-center", "2"] == ["0.1600", "0.1750"]
    assert rows["coco", "attn-iou-spatial-chance", "4"] == ["", "0.3000"]


def test_a_single_metric_is_not_named_in_each_row(report: Report, tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", ["dino-b16"], ["scenes"])
    table = run_report(SPEC, path, Options(metrics=("attn-iou-cls",))).table
    assert table["layer"].tolist() == [str(n) for n in range(1, 13)]
    assert table["dino-b16"].tolist()[-1] == "0.4500"
    assert list(table.columns) == ["layer", "dino-b16"]


def test_each_data_set_has_a_row_of_best_heads_and_a_row_of_means(report: Report) -> None:
    axes = report.figure().axes
    assert [ax.get_title().replace("\n", " ") for ax in axes] == 2 * TITLES
    assert [ax.get_ylabel() for ax in axes[::3]] == ["coco", "coco", "partimagenet", "partimagenet"]
    assert {ax.get_ylim() for ax in axes} == {axes[0].get_ylim()}
    for place, ax in enumerate(axes):
        height = 0.6 - 0.05 * (place % 6) + 0.05 * (place < 6)
        mae, chance, dino = (np.asarray(line.get_ydata()) for line in sorted(ax.lines, key=look))
        assert mae == pytest.approx([height * n / 4 for n in (1, 2, 3, 4)])
        assert dino[-1] == pytest.approx(height - 0.03)
        assert chance[-1] == pytest.approx(0.6 - 0.05 * (6 + place % 3) + 0.05 * (place < 6))


def look(line: Line2D) -> tuple[bool, bool]:
    """MAE's line, its chance, and DINO's line without one."""
    return line.get_color() != "#CC79A7", line.get_linestyle() == ":"


def test_chance_is_in_the_legend_and_has_panels_only_alone(report: Report, tmp_path: Path) -> None:
    (legend,) = report.figure().legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "DINO B/16 (self-distillation)", "MAE B/16 (masked reconstruction)", "one head by chance",
    ]  # fmt: skip
    path = fill(tmp_path / "r.db", ["dino-b16"], ["scenes"])
    alone = run_report(SPEC, path, Options(metrics=("attn-iou-cls-chance",))).figure()
    assert [ax.get_title() for ax in alone.axes] == [FACTS["attn-iou-cls-chance"].title]


def test_a_store_without_chance_has_no_chance_line(tmp_path: Path) -> None:
    rows = [Record(metric="attn-iou-cls", layer=n, value=n / 9) for n in (1, 2, 3)]
    record(tmp_path / "r.db", model("dino-b16"), FACTS["attn-iou-cls"], rows, analysis="attention-iou")
    figure = run_report(SPEC, tmp_path / "r.db", Options(layers=(2, 3))).figure()
    (ax,) = figure.axes
    (line,) = ax.lines
    assert np.asarray(line.get_ydata()).tolist() == [2 / 9, 3 / 9]
    assert len(figure.legends[0].get_texts()) == 1


def test_a_store_without_numbers_says_what_to_run(store: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"attn-iou-cls-best.*tm analyze .*attn-iou-cls-best"):
        run_report(SPEC, store, Options())
