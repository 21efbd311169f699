"""Tests of the report heads, on given types and offsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Annotation

from teachmatters.api import MetricSpec, Record
from teachmatters.errors import NothingToShowError
from teachmatters.reports.builtin.attention.heads import LOOKS, said
from teachmatters.reports.builtin.attention.heads_figure import colour
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


def test_heads_of_each_type_are_counted_per_layer_and_in_total(report: Report) -> None:
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


def test_layers_and_heads_can_be_chosen(report: Report, tmp_path: Path) -> None:
    found = run_report(SPEC, fill(tmp_path / "r.db"), Options(layers=(1,), heads=(3, 4)))
    assert lines(found)[0] == ["dino-s16", "1", "1", "1", "[1, 4] down-left 1.3"]
    assert list(found.table.columns) == ["model", "layer", "soft-local", "offset-local", "offset heads"]
    absent = "No head is self or strict-local or axial-horizontal or axial-vertical or global"
    assert found.table.attrs["notes"] == [absent, "Offsets are in patches"]
    assert len(found.data.rows) == 2


def test_the_figure_shows_the_type_of_every_head_and_where_offset_heads_look(report: Report) -> None:
    axes = report.figure().axes
    assert [ax.get_title() for ax in axes] == ["DINO S/16\nself-distillation", "MAE B/16\nmasked reconstruction"]
    cells = np.asarray(axes[0].images[0].get_array(), dtype=float)
    assert cells.shape == (4, 3, 3), "heads, layers, colours"
    for row in types():
        expected = np.array(to_rgb(colour(row.category or "")))
        expected = 1 - 0.45 * (1 - expected) if row.head == 2 else expected  # near a threshold
        assert cells[(row.head or 0) - 1, (row.layer or 0) - 1] == pytest.approx(expected), row
    arrows = [text for text in axes[0].texts if text.get_text() == ""]
    assert [text.get_text() for text in axes[0].texts if text.get_text()] == ["1.3", "1.3"], "patches"
    for arrow, (layer, head) in zip(arrows, ((1, 4), (3, 3)), strict=True):
        assert isinstance(arrow, Annotation)
        assert arrow.xy[0] < layer, "to the left"
        assert arrow.xy[1] > head, "downwards, as in the image"
    low, high = axes[0].get_ylim()
    assert low > high, "head 1 is the first row"


def test_types_without_offsets_are_a_table_without_directions(tmp_path: Path) -> None:
    found = run_report(SPEC, fill(tmp_path / "r.db", offsets=False), Options())
    assert lines(found)[0][-1] == "[1, 4]"
    assert not found.figure().axes[0].texts, "no arrows"


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
