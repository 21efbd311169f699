"""Heads by type, from made-up types and offsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import MetricSpec, Record
from teachmatters.errors import NothingToShowError, TeachMattersError
from teachmatters.reports.builtin.heads import LOOKS, said
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import Report, run_report
from tests.reports.stores import DISTANCE, TYPES, heads, model, record

SPEC = next(spec for spec in REPORTS if spec.name == "heads")
OFFSETS = [MetricSpec(name=f"attn-head-offset-{axis}", title=axis, summary=axis, level="head") for axis in "xy"]
MARGIN = MetricSpec(name="attn-head-margin", title="margin", summary="margin", level="head")
KINDS = list(LOOKS)


def types(depth: int = 3, count: int = 4) -> list[Record]:
    """Every type in turn, so that [1, 4] and [3, 3] look aside."""
    return [
        Record(
            metric="attn-head-type", layer=layer + 1, head=head + 1, value=0.8,
            category=KINDS[(layer * count + head) % len(KINDS)],
        )
        for layer in range(depth)
        for head in range(count)
    ]  # fmt: skip


def fill(path: Path, label: str = "dino-s16", *, offsets: bool = True) -> Path:
    row = model(label, depth=3)
    record(path, row, TYPES, types(), analysis="attention")
    for sign, metric in zip((-1, 1), OFFSETS, strict=True):
        numbers = [
            Record(metric=metric.name, layer=r.layer, head=head, value=sign * 0.2 * (r.layer / 2 + head))
            for r in types()
            for head in ({0, r.head} if r.head == 1 else {r.head})
        ]
        if offsets:
            record(path, row, metric, numbers, analysis="attention")
    margins = [
        Record(metric=MARGIN.name, layer=r.layer, head=h, value=0.04 if h == 2 else 0.3)
        for r in types()
        for h in ({0, r.head} if r.head == 1 else {r.head})
    ]
    if offsets:
        record(path, row, MARGIN, margins, analysis="attention")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = fill(fill(tmp_path_factory.mktemp("heads") / "r.db"), "mae-b16")
    return run_report(SPEC, path, Options())


def lines(report: Report) -> list[list[Any]]:
    return report.table.to_numpy().tolist()


def test_heads_of_each_type_are_counted_for_each_layer_and_in_all(report: Report) -> None:
    assert list(report.table.columns) == ["model", "layer", *KINDS, "offset heads", "near a threshold"]
    first = ["1", "1", "1", "1", "", "", "", "[1, 4] down-left 1.3", "[1, 2] strict-local"]
    assert lines(report)[0] == ["dino-s16", "1", *first]
    assert lines(report)[3] == ["dino-s16", "all", "2", "2", "2", "2", "2", "1", "1", "", "3"]
    assert report.table.attrs["notes"][0] == "Offsets are in patches"
    assert [row[0] for row in lines(report)] == ["dino-s16"] * 4 + ["mae-b16"] * 4


@pytest.mark.parametrize(
    ("x", "y", "direction"),
    [(1, 0, "right"), (1, 1, "down-right"), (0, 1, "down"), (-1, 0.1, "left"), (-1, -0.1, "left"), (0, -1, "up"),
     (1, -1, "up-right")],
)  # fmt: skip
def test_directions_are_those_of_the_image(x: float, y: float, direction: str) -> None:
    assert said({"layer": 2, "head": 3, "x": x, "y": y}) == f"[2, 3] {direction} {np.hypot(x, y):.1f}"


def test_layers_and_heads_choose(report: Report, tmp_path: Path) -> None:
    found = run_report(SPEC, fill(tmp_path / "r.db"), Options(layers=(1,), heads=(3, 4)))
    assert lines(found)[0] == ["dino-s16", "1", "1", "1", "[1, 4] down-left 1.3"]
    assert list(found.table.columns) == ["model", "layer", "soft-local", "offset-local", "offset heads"]
    absent = "No head is self or strict-local or axial-horizontal or axial-vertical or global"
    assert found.table.attrs["notes"] == [absent, "Offsets are in patches"]
    assert len(found.data.rows) == 2


def test_the_drawing_shows_every_head_and_names_those_that_look_aside(report: Report) -> None:
    axes = report.figure().axes
    assert [ax.get_title() for ax in axes] == ["dino-s16", "mae-b16"]
    for ax in axes:
        assert sum(len(np.asarray(points.get_offsets())) for points in ax.collections) == 12
        assert [text.get_text() for text in ax.texts] == ["[1, 4]\n[3, 3]"], "at one place"
        low, high = ax.get_ylim()
        assert low > 0 > high, "downwards, as in the image"
    places = np.concatenate([np.asarray(points.get_offsets()) for points in axes[0].collections])
    assert [-0.3, 0.3] in np.round(places, 6).tolist()
    opacity = np.concatenate([np.asarray(points.get_edgecolor())[:, 3] for points in axes[0].collections])
    assert sorted(opacity)[:4] == [0.3, 0.3, 0.3, 0.8], "those near a threshold are pale"


def test_types_without_offsets_are_a_table_without_directions(tmp_path: Path) -> None:
    found = run_report(SPEC, fill(tmp_path / "r.db", offsets=False), Options())
    assert lines(found)[0][-1] == "[1, 4]"
    with pytest.raises(TeachMattersError, match=r"tm analyze --model dino-s16 --metric attn-head-offset-x"):
        found.figure()


def test_a_store_without_types_says_what_to_run(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("dino-s16"), DISTANCE, heads(DISTANCE, [0.5]))
    with pytest.raises(NothingToShowError, match=r"'tm analyze --model dino-s16 --metric attn-head-type --db .*'"):
        run_report(SPEC, tmp_path / "r.db", Options())


def test_one_layer_of_one_model_and_an_unknown_type(tmp_path: Path) -> None:
    strange = [Record(metric="attn-head-type", layer=1, head=1, value=0.5, category="diagonal")]
    record(tmp_path / "r.db", model("a", depth=1), TYPES, strange, analysis="attention")
    record(tmp_path / "r.db", model("a"), OFFSETS[0], [Record(metric="attn-head-offset-x", layer=1, head=1, value=0.0)])
    record(tmp_path / "r.db", model("a"), OFFSETS[1], [Record(metric="attn-head-offset-y", layer=1, head=1, value=0.0)])
    found = run_report(SPEC, tmp_path / "r.db", Options())
    assert lines(found)[0] == ["a", "1", "1"]
    assert found.figure().axes
