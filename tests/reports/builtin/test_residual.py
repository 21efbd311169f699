"""Tests of the report residual."""

from __future__ import annotations

from pathlib import Path

from teachmatters.api import MetricSpec, Record
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import model, record, values

SPEC = next(spec for spec in REPORTS if spec.name == "residual")
ALIGNED = MetricSpec(name="residual-cka-mlp", title="CKA", summary="Alike.", level="layer-pair")
RATIO = MetricSpec(name="residual-norm-attn-cls", title="Ratio", summary="Larger.")


def test_layers_by_models_and_a_panel_for_each_metric(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for label, depth in (("dino-s16", 3), ("mae-b16", 2)):
        row, layers = model(label, depth=depth), range(1, depth + 1)
        square = [Record(metric=ALIGNED.name, layer=i, other_layer=j, value=i / 10 + j) for i in layers for j in layers]
        record(path, row, ALIGNED, square)
        record(path, row, RATIO, values(RATIO, [2.5 * i for i in layers]))
    report = run_report(SPEC, path, Options())
    assert report.table.to_numpy().tolist() == [
        ["residual-cka-mlp", "1", "1.100", "1.100"],
        ["residual-cka-mlp", "2", "2.200", "2.200"],
        ["residual-cka-mlp", "3", "3.300", ""],
        ["residual-norm-attn-cls", "1", "2.500", "2.500"],
        ["residual-norm-attn-cls", "2", "5.000", "5.000"],
        ["residual-norm-attn-cls", "3", "7.500", ""],
    ]
    axes = report.figure().axes
    assert [ax.get_title() for ax in axes] == ["CKA", "Ratio"]
    assert [len(ax.lines) for ax in axes] == [2, 2]
    assert len(run_report(SPEC, path, Options(layers=(2,), models=("mae-b16",))).table) == 2


def test_three_panels_with_both_blocks_for_each_data_set(tmp_path: Path) -> None:
    row, path = model("dino-s16", depth=2), tmp_path / "r.db"
    for data in ("digits", "photos"):
        for block in ("attn", "mlp"):
            likeness = MetricSpec(name=f"residual-cka-{block}", title="CKA", summary="Alike.", level="layer-pair")
            square = [Record(metric=likeness.name, layer=i, other_layer=i, value=i / 10) for i in (1, 2)]
            record(path, row, likeness, square, data=data)
            for tokens in ("cls", "spatial"):
                ratio = MetricSpec(name=f"residual-norm-{block}-{tokens}", title="Ratio", summary="Larger.")
                record(path, row, ratio, values(ratio, [2.0, 3.0], std=0.5), data=data)
    figure = run_report(SPEC, path, Options()).figure()
    names = ["CKA of skip and branch", "norm of skip / branch\nclass token", "norm of skip / branch\nspatial tokens"]
    assert [ax.get_ylabel() for ax in figure.axes] == names * 2
    assert [ax.get_title() for ax in figure.axes] == ["digits"] * 3 + ["photos"] * 3
    assert [len(ax.lines) for ax in figure.axes] == [2, 3, 3] * 2  # a line at 1 in those of ratios
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "log", "log"] * 2
    assert figure.axes[0].lines[0].get_markerfacecolor() != figure.axes[0].lines[1].get_markerfacecolor()
