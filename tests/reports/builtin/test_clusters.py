"""Tests of cluster reports: features side by side, with one axis per score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from teachmatters.analyses.representation.cluster_specs import CLUSTER_ANALYSES
from teachmatters.api import Record
from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import model, record

CLUSTERS, PARTS = (next(spec for spec in REPORTS if spec.name == name) for name in ("clusters", "parts"))
FACTS = {metric.name: (spec.name, metric) for spec in CLUSTER_ANALYSES for metric in spec.metrics}
HEIGHT = {"purity": 0.8, "nmi": 0.5, "ari": -0.1}


def fill(path: Path, where: str, sides: tuple[str, ...]) -> None:
    """Two models of three layers; the second side is half as high."""
    for number, label in enumerate(("mae-b16", "dino-b16")):
        for score, height in HEIGHT.items():
            for place, of in enumerate(sides):
                analysis, metric = FACTS[f"{score}-{of}"]
                values = [height / (1 + place) * n / 3 - 0.01 * number for n in (1, 2, 3)]
                rows = [Record(metric=metric.name, layer=n, value=value, n=9) for n, value in enumerate(values, 1)]
                record(path, model(label, depth=3), metric, rows, data=where, analysis=analysis)


def test_class_token_next_to_patches(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    fill(path, "imagenet50", ("cls", "spatial"))
    report = run_report(CLUSTERS, path, Options())
    axes = report.figure().axes
    assert [ax.get_title() for ax in axes] == [
        "purity, class token", "purity, spatial tokens", "NMI, class token", "NMI, spatial tokens",
        "ARI, class token", "ARI, spatial tokens",
    ]  # fmt: skip
    for left, right, (low, high) in zip(axes[::2], axes[1::2], ((0.1, 0.8), (0.1, 0.5), (-0.11, -0.017)), strict=True):
        assert left.get_ylim() == right.get_ylim()
        assert left.get_ylim()[0] <= low
        assert left.get_ylim()[1] >= high
    for ax, height in zip(axes, (0.8, 0.4, 0.5, 0.25, -0.1, -0.05), strict=True):
        lines = {line.get_color(): np.asarray(line.get_ydata()).tolist() for line in ax.lines}
        assert lines["#CC79A7"] == pytest.approx([height / 3, height * 2 / 3, height])
        assert lines["#009E73"] == pytest.approx([height / 3 - 0.01, height * 2 / 3 - 0.01, height - 0.01])
    assert [bool(ax.get_xlabel()) for ax in axes] == 4 * [False] + 2 * [True]
    rows = {tuple(row[:2]): row[2:] for row in report.table.to_numpy().tolist()}
    assert list(report.table.columns) == ["metric", "layer", "dino-b16", "mae-b16"]
    assert rows["nmi-spatial", "3"] == ["0.2400", "0.2500"]
    assert len(rows) == 18


def test_objects_of_one_data_set_next_to_parts_of_another(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    fill(path, "coco", ("object",))
    fill(path, "partimagenet", ("part",))
    axes = run_report(PARTS, path, Options(layers=(2, 3))).figure().axes
    assert [ax.get_title() for ax in axes] == [
        f"{score}, {where}"
        for score in ("purity", "NMI", "ARI")
        for where in ("objects / coco", "parts / partimagenet")
    ]
    assert all(np.asarray(line.get_xdata()).tolist() == [2, 3] for ax in axes for line in ax.lines)


def test_unmeasured_values_are_blank(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    fill(path, "imagenet50", ("cls", "spatial"))
    axes = run_report(CLUSTERS, path, Options(metrics=("purity-cls", "nmi-cls", "nmi-spatial"))).figure().axes
    assert [ax.get_visible() for ax in axes] == [True, False, True, True]


def test_a_store_without_numbers_says_what_to_run(store: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"purity-object.*tm analyze .*purity-object"):
        run_report(PARTS, store, Options())
