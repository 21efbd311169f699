"""Tests of reports of pairs of layers: both directions, different depths, missing values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

import teachmatters
from teachmatters.api import Record, ReportSpec
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.figures import plots
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from teachmatters.store import query
from tests.reports.stores import CKA, model, record

GRID, LAST = (next(spec for spec in REPORTS if spec.name == name) for name in ("cka", "cka-last-layer"))
CLS, NORM = replace(CKA, name="cka-cls"), replace(CKA, name="cka-norm", headline=False)
DEPTHS = {"dino-s16": 3, "mae-b16": 2, "random-s16": 2}


def value(first: str, layer: int, second: str, other: int) -> float:
    """A number that tells whose it is, the same both ways."""
    if first == second:
        return 1 - 0.1 * abs(layer - other)
    return round(0.01 * sum(len(name) * number for name, number in ((first, layer), (second, other))), 4)


def squares(metric: str, first: str, second: str) -> list[Record]:
    pairs = [(i, j) for i in range(1, DEPTHS[first] + 1) for j in range(1, DEPTHS[second] + 1)]
    return [Record(metric=metric, layer=i, other_layer=j, value=value(first, i, second, j), n=2) for i, j in pairs]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models; the class tokens of one lack; one pair's norms; a single pair on other data."""
    path = tmp_path_factory.mktemp("pairs") / "r.db"
    names = sorted(DEPTHS)
    for place, first in enumerate(names):
        for second in names[place:]:
            row, other = model(first, depth=DEPTHS[first]), model(second, depth=DEPTHS[second])
            record(path, row, CKA, squares("cka", first, second), other=other)
            if "random-s16" not in (first, second):
                last = [r for r in squares("cka-cls", first, second) if r.layer > 1 and r.other_layer > 1]
                record(path, row, CLS, last, other=other, analysis="cka")
    one, two = model("dino-s16", depth=3), model("mae-b16", depth=2)
    norms = [
        replace(r, category=f"{a}-{b}", value=r.value / 2 + 0.1 * a + 0.01 * b)
        for r in squares("cka-norm", "dino-s16", "mae-b16")
        for a in (1, 2)
        for b in (1, 2)
    ]
    record(path, one, NORM, norms, other=two, analysis="cka")
    record(path, one, CKA, squares("cka", "dino-s16", "mae-b16"), other=two, data="imagenet")
    return path


SHOWN = {"dino-s16": "DINO S/16", "mae-b16": "MAE B/16", "random-s16": "untrained S/16"}


def image(ax: Axes) -> np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float64]]:
    return np.ma.asarray(ax.images[0].get_array())


def test_the_grid_holds_every_pair_with_the_first_models_layers_upwards(pairs: Path) -> None:
    figure = run_report(GRID, pairs, Options()).figure()
    order = ["dino-s16", "mae-b16", "random-s16"]
    for place, ax in enumerate(figure.axes[:9]):
        up, right = order[place // 3], order[place % 3]
        expected = [[value(up, y + 1, right, x + 1) for x in range(DEPTHS[right])] for y in range(DEPTHS[up])]
        assert image(ax).tolist() == expected
    assert [ax.get_title() for ax in figure.axes[:3]] == list(SHOWN.values())
    assert {ax.images[0].get_clim() for ax in figure.axes[:9]} == {(0.0, 1.0)}
    assert figure.get_suptitle() == "Data: photos"


def test_two_models_are_one_square_in_the_order_named(pairs: Path) -> None:
    for names in (("dino-s16", "mae-b16"), ("mae-b16", "dino-s16")):
        report = run_report(GRID, pairs, Options(models=names))
        ax = report.figure().axes[0]
        assert image(ax).shape == (DEPTHS[names[0]], DEPTHS[names[1]])
        assert (ax.get_ylabel(), ax.get_xlabel()) == tuple(f"Layer of {SHOWN[name]}" for name in names)
        assert image(ax)[1, 0] == value(names[0], 2, names[1], 1)
        assert report.table.to_numpy().tolist()[0][:4] == [*names, "1", f"{value(names[0], 1, names[1], 1):.4f}"]
    alone = run_report(GRID, pairs, Options(models=("mae-b16",))).figure().axes[0]
    assert image(alone).tolist() == [[1.0, 0.9], [0.9, 1.0]]


def test_both_norms_of_a_layer_are_side_by_side(pairs: Path) -> None:
    report = run_report(GRID, pairs, Options(models=("mae-b16", "dino-s16"), metrics=("cka-norm",)))
    shown = image(report.figure().axes[0])
    assert shown.shape == (4, 6)
    # layer 2, norm 1 of mae with layer 3, norm 2 of dino
    assert shown[2, 5] == pytest.approx(value("dino-s16", 3, "mae-b16", 2) / 2 + 0.2 + 0.01)
    assert list(report.table.columns[2:5]) == ["layer", "1 (1)", "1 (2)"]


def test_the_table_has_each_pair_once(pairs: Path) -> None:
    table = run_report(GRID, pairs, Options()).table
    assert list(table.columns) == ["model", "other_model", "layer", "1", "2", "3"]
    assert len(table) == 3 + 3 + 3 + 2 + 2 + 2
    assert table.iloc[0].tolist() == ["dino-s16", "dino-s16", "1", "1.000", "0.9000", "0.8000"]
    both = run_report(GRID, pairs, Options(metrics=("cka:cka", "cka-cls"), layers=(2,))).table
    assert both["metric"].value_counts().to_dict() == {"cka": 6, "cka-cls": 3}


def test_the_sql_shown_is_the_sql_run(pairs: Path) -> None:
    for spec in (GRID, LAST):
        report = run_report(spec, pairs, Options(models=("mae*", "dino*")))
        assert query(pairs, report.sql).rows == report.data.rows


def test_other_data_on_request(pairs: Path) -> None:
    table = run_report(GRID, pairs, Options(data=("imagenet",))).table
    assert set(zip(table["model"], table["other_model"], strict=True)) == {("dino-s16", "mae-b16")}
    figure = run_report(GRID, pairs, Options(data=("imagenet",))).figure()
    assert [len(ax.images) for ax in figure.axes[:4]] == [0, 1, 1, 0], "what was not measured stays empty"


def test_last_layers_with_blanks_where_there_is_no_number(pairs: Path) -> None:
    report = run_report(LAST, pairs, Options())
    assert len(report.rows) == 9 + 4, "no other layers"
    table = {(row[0], row[1]): row[2:] for row in report.table.to_numpy().tolist()}
    last = f"{value('dino-s16', 3, 'mae-b16', 2):.4f}"
    assert table["cka", "dino-s16"][:2] == ["1.000", last]
    assert table["cka", "mae-b16"][:2] == [last, "1.000"]
    assert table["cka-cls", "random-s16"] == ["", "", ""]
    axes = report.figure().axes
    assert [ax.get_title() for ax in axes[:2]] == ["CKA", "CKA"]
    assert np.isnan(image(axes[1]).filled(np.nan)[2]).all()
    assert len(axes[1].texts) == 4


SHIPPED = Path(teachmatters.__file__).with_name("results.db")


@pytest.mark.parametrize("shipped", [False, True])
@pytest.mark.parametrize("spec", [GRID, LAST], ids=lambda spec: spec.name)
def test_nothing_is_cut_off(spec: ReportSpec, shipped: bool, pairs: Path) -> None:
    figure = run_report(spec, SHIPPED if shipped else pairs, Options()).figure()
    with plots.look():
        figure.draw_without_rendering()
        box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) > -0.05
    assert box.x1 < width + 0.05
    assert box.y1 < height + 0.05
