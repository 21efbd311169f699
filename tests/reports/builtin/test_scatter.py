"""Tests of plotting two metrics against each other: which layers are paired, on which data, in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, PCK, PURITY, TOP1, heads, model, record, typical, values

SCATTER = next(spec for spec in REPORTS if spec.name == "scatter")


def fill(path: Path) -> Path:
    for label, add in (("dino-s16", 0.0), ("mae-s16", 0.1)):
        row = model(label, depth=3)
        record(path, row, DISTANCE, heads(DISTANCE, [0.3 + add, 0.2, 0.1]), data="photos")
        record(path, row, DISTANCE, heads(DISTANCE, [0.9, 0.8, 0.7]), data="imagenet50")
        record(path, row, PURITY, values(PURITY, [0.4, 0.5, 0.6 + add]), data="photos")
        record(path, row, PCK, values(PCK, [1.0, 2.0, 3.0]), data="spair")
    return path


def points(path: Path, *metrics: str, **options: tuple[int, ...]) -> list[tuple[object, ...]]:
    rows = run_report(SCATTER, path, Options(metrics=metrics, **options)).rows  # type: ignore[arg-type]
    wanted = ["model", "dataset", "other_dataset", "layer", "value", "other_value"]
    return [tuple(row) for row in rows[wanted].itertuples(index=False)]


def test_metrics_are_paired_on_a_common_data_set(tmp_path: Path) -> None:
    found = points(fill(tmp_path / "r.db"), "attn-distance", "purity-cls")
    assert found == [
        ("dino-s16", "photos", "photos", 1, 0.3, 0.4),
        ("dino-s16", "photos", "photos", 2, 0.2, 0.5),
        ("dino-s16", "photos", "photos", 3, 0.1, 0.6),
        ("mae-s16", "photos", "photos", 1, 0.4, 0.4),
        ("mae-s16", "photos", "photos", 2, 0.2, 0.5),
        ("mae-s16", "photos", "photos", 3, 0.1, 0.7),
    ]


def test_metrics_without_a_common_data_set_are_paired_too(tmp_path: Path) -> None:
    found = points(fill(tmp_path / "r.db"), "pck-0.10", "purity-cls", layers=(3,))
    assert found == [("dino-s16", "spair", "photos", 3, 3.0, 0.6), ("mae-s16", "spair", "photos", 3, 3.0, 0.7)]


def test_the_first_metric_is_paired_with_the_others(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db")
    figure = run_report(SCATTER, path, Options(metrics=("purity-cls", "attn-distance"))).figure()
    axes = figure.axes
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in axes] == [("Purity", "Mean attention distance")]
    report = run_report(SCATTER, path, Options(metrics=("pck-0.10", "purity-cls")))
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in report.figure().axes] == [
        ("PCK, percent / spair", "Purity / photos")
    ]
    assert report.caption[:2] == ["Metric: pck-0.10 (PCK, percent); purity-cls (Purity)", "Data: spair, photos"]
    (legend,) = figure.legends
    keys = {text.get_text(): key for text, key in zip(legend.get_texts(), legend.legend_handles, strict=True)}
    for layer, look, ends in (
        ("first", "get_markerfacecolor", [[0.4, 0.3], [0.4, 0.4]]),
        ("last", "get_markeredgecolor", [[0.6, 0.1], [0.7, 0.1]]),
    ):
        marked = [line for line in axes[0].lines if getattr(line, look)() == getattr(keys[f"{layer} layer"], look)()]
        assert [np.asarray(line.get_xydata()).tolist() for line in marked] == [[end] for end in ends]


def test_by_default_it_uses_its_own_metrics(store: Path) -> None:
    report = run_report(SCATTER, store, Options())
    assert list(dict.fromkeys(report.rows["other_metric"])) == ["knn-top1"]
    assert report.table.columns.tolist() == ["metrics", "layer", "dino-s16", "mae-b16"]
    assert report.table["metrics"].unique().tolist() == ["attn-distance, knn-top1 (photos, digits)"]


def test_metrics_of_different_models_are_not_paired(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("dino-s16", depth=1), PURITY, values(PURITY, [0.5]))
    record(tmp_path / "r.db", model("mae-s16", depth=1), PCK, values(PCK, [5.0]))
    said = r"no model in r.db has purity-cls, pck-0.10 on the same layers; 'tm analyze --model dino-s16 --metric pu"
    with pytest.raises(TeachMattersError, match=said):
        run_report(SCATTER, tmp_path / "r.db", Options(metrics=("purity-cls", "pck-0.10")))


def test_one_metric_is_too_few(store: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"at least 2 metrics, and only knn-top1 is given.* attn-distance"):
        run_report(SCATTER, store, Options(metrics=("knn-top1",)))


def test_headlines_alone_are_points(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    typical(path)
    record(path, model("mae-b16"), TOP1, values(TOP1, [5.0]), data="photos")
    assert ("mae-b16", "photos", "photos", 1) in [row[:4] for row in points(path, "attn-distance", "knn-top1")]
