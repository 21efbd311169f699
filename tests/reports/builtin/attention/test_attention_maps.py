"""Tests of the averaged maps of all heads, on given arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import MetricSpec, Record, StoredMap
from teachmatters.errors import NothingToShowError, TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, MAP, TYPES, heads, model, record

MAPS, ALIGNED = (next(spec for spec in REPORTS if spec.name == name) for name in ("attention-maps", "aligned-maps"))
DEPTH, HEADS = 2, 3


def fill(path: Path, name: str, shape: tuple[int, ...], label: str = "dino-s16", depth: int = DEPTH) -> Path:
    """Maps whose head n has its largest value at place layer + n."""
    record(path, model(label, depth=depth), DISTANCE, heads(DISTANCE, [0.5] * depth), analysis="attention")
    maps = []
    for layer in range(1, depth + 1):
        array = np.full((HEADS, int(np.prod(shape))), 0.0625, dtype=np.float32)
        array[np.arange(HEADS), layer + np.arange(1, HEADS + 1)] = 0.5
        axes = ("head", "token") if len(shape) == 1 else ("head", "y", "x")
        maps.append(StoredMap(name=name, layer=layer, axes=axes, array=array.reshape(HEADS, *shape)))
    record(path, model(label, depth=depth), replace(MAP, name=name), [], analysis="attention", maps=maps)
    return path


def test_maps_over_tokens_lie_on_the_square_grid_behind_the_prefix(tmp_path: Path) -> None:
    table = run_report(MAPS, fill(tmp_path / "r.db", "attn-map-cls", (10,)), Options()).table
    assert table["layer"].tolist() == ["1", "1", "1", "2", "2", "2"]
    assert table["head"].tolist() == ["1", "2", "3"] * 2
    assert table["at"].tolist()[:3] == ["row 1, column 2", "row 1, column 3", "row 2, column 1"]
    assert table["on class token and registers"].tolist()[0] == "0.06250"
    assert table["largest"].tolist()[0] == "0.5000"


def test_a_rectangular_grid_is_read_from_another_map(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "attn-map-cls", (1 + 2 * 9,))
    fill(path, "attn-map-spatial-pure", (2, 9))
    table = run_report(MAPS, path, Options()).table
    assert table["at"].tolist()[:3] == ["row 1, column 2", "row 1, column 3", "row 1, column 4"]
    assert run_report(MAPS, path, Options(metrics=("attn-map-spatial-pure",))).table.shape == (6, 5)


def test_an_unknown_grid_is_an_error(tmp_path: Path) -> None:
    found = run_report(MAPS, fill(tmp_path / "r.db", "attn-map-cls", (1 + 4 * 15,)), Options())
    with pytest.raises(TeachMattersError, match="61 tokens of dino-s16; 'tm analyze --model dino-s16 --metric attn"):
        _ = found.table


def test_aligned_maps_are_centred_on_the_query(tmp_path: Path) -> None:
    found = run_report(ALIGNED, fill(tmp_path / "r.db", "attn-map-aligned", (3, 5)), Options())
    assert found.table["at"].tolist()[:3] == ["1 up", "1 up, 1 right", "1 up, 2 right"]
    assert "on class token and registers" not in found.table.columns
    ax = found.figure().axes[0]
    assert len(ax.lines) == 4 * DEPTH * HEADS, "the cross leaves the query and its neighbours free"
    left, right = (np.asarray(line.get_xdata()).tolist() for line in ax.lines[:2])
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == [1, 1]
    assert max(left) < 1.5
    assert min(right) > 2.5


def test_columns_are_layers_and_rows_are_heads_with_labels(tmp_path: Path) -> None:
    path = fill(fill(tmp_path / "r.db", "attn-map-cls", (10,)), "attn-map-cls", (17,), "mae-b16", depth=1)
    axes = run_report(MAPS, path, Options()).figure().axes
    assert [ax.get_title(loc="left") for ax in axes[:2]] == [
        "DINO S/16\nself-distillation", "MAE B/16\nmasked reconstruction",
    ]  # fmt: skip
    names = {text.get_text(): text.get_position() for text in axes[0].texts if text.get_text().startswith("[")}
    assert sorted(names) == [f"[{layer}, {head}]" for layer in (1, 2) for head in (1, 2, 3)]
    assert names["[1, 1]"][0] == names["[1, 3]"][0] < names["[2, 1]"][0]
    assert names["[1, 1]"][1] == names["[2, 1]"][1] < names["[1, 2]"][1]
    canvas = np.asarray(axes[0].images[0].get_array(), dtype=float)
    assert canvas[0, 1] == 1.0, "layer 1, head 1: the second patch is the largest"
    assert canvas[0, 0] == pytest.approx(np.sqrt(0.0625 / 0.5)), "the square root of the share"
    assert np.isnan(canvas[3, 0]), "room for the name"
    assert not axes[0].lines


def test_maps_share_a_scale_by_default(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "attn-map-cls", (10,))
    even = StoredMap(name="attn-map-cls", layer=1, axes=("head", "token"), array=np.full((1, 5), 0.125, np.float32))
    record(path, model("mae-b16", depth=1), MAP, [], analysis="attention", maps=[even])
    shared, own = (
        np.asarray(run_report(MAPS, path, Options(scale=scale)).figure().axes[1].images[0].get_array(), dtype=float)[
            0, 0
        ]
        for scale in ("", "own")
    )
    assert (shared, own) == (0.5, 1.0)


def test_the_figure_shows_three_heads_of_a_layer_by_type(tmp_path: Path) -> None:
    count, path = 6, tmp_path / "r.db"
    kinds = ["global", "global", "global", "offset-local", "soft-local", "global"]
    types = [Record(metric=TYPES.name, layer=1, head=n, value=n / 10, category=k) for n, k in enumerate(kinds, 1)]
    array = np.full((count, 15, 15), 0.001, np.float32)
    array[:, 7, 9] = 0.5
    aside = StoredMap(name="attn-map-aligned", layer=1, axes=("head", "y", "x"), array=array)
    record(path, model("a", depth=1), replace(MAP, name=aside.name), [], analysis="attention", maps=[aside])
    record(path, model("a", depth=1), TYPES, types, analysis="attention")
    for axis, patches in (("x", 2.0), ("y", 0.0)):
        metric = replace(TYPES, name=f"attn-head-offset-{axis}")
        record(path, model("a", depth=1), metric, [Record(metric=metric.name, layer=1, head=4, value=patches)])

    def texts(**options: Any) -> list[str]:
        ax = run_report(ALIGNED, path, Options(**options)).figure().axes[0]
        return [text.get_text() for text in ax.texts if text.get_text().startswith("[")]

    assert texts() == ["[1, 4]\noffset 2.0", "[1, 5]\nsoft-local", "[1, 6]\nglobal"]
    assert len(texts(heads=tuple(range(1, 257)))) == count
    assert texts(heads=(2,)) == ["[1, 2]\nglobal"]
    wide, near = (run_report(ALIGNED, path, Options(zoom=zoom)).figure().axes[0].images[0] for zoom in (7, 2))
    assert np.asarray(wide.get_array()).shape[1] > 15
    assert np.asarray(near.get_array()).shape[1] == 6


def test_layers_and_heads_can_be_chosen(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "attn-map-cls", (10,))
    found = run_report(MAPS, path, Options(layers=(2,), heads=(1, 3)))
    texts = [text.get_text() for text in found.figure().axes[0].texts]
    assert texts == ["[2, 1]", "[2, 3]", "2"]
    with pytest.raises(NothingToShowError, match=r"heads 9; there are layers 1 to 2\.$"):
        run_report(MAPS, path, Options(heads=(9,)))


def test_labels_of_a_single_map_are_not_cut_off(tmp_path: Path) -> None:
    fill(tmp_path / "r.db", "attn-map-cls", (10,), "dino-s16@" + 4 * "trained-differently-")
    figure = run_report(MAPS, tmp_path / "r.db", Options(layers=(1,), heads=(1,))).figure()
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= figure.get_figwidth()


def test_one_map_of_equal_values(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    even = StoredMap(name="attn-map-cls", layer=1, axes=("head", "token"), array=np.full((1, 5), 0.2, np.float32))
    record(path, model("a", depth=1), MAP, [], analysis="attention", maps=[even])
    found = run_report(MAPS, path, Options())
    assert found.table.shape == (1, 6)
    with np.errstate(all="raise"):
        canvas = np.asarray(found.figure().axes[0].images[0].get_array(), dtype=float)
    assert canvas[0, 0] == 1


def test_a_store_without_maps_says_what_to_run(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("dino-s16"), DISTANCE, heads(DISTANCE, [0.5]))
    for spec, metric in ((MAPS, "attn-map-cls"), (ALIGNED, "attn-map-aligned")):
        with pytest.raises(TeachMattersError, match=rf"'tm analyze --model dino-s16 --metric {metric} --db "):
            run_report(spec, tmp_path / "r.db", Options())


def test_a_metric_without_maps_is_refused(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "attn-map-cls", (10,))
    with pytest.raises(NothingToShowError, match=r"attn-distance .*'tm report metric --metric attn-distance' shows"):
        run_report(MAPS, path, Options(metrics=("attn-distance",)))


def test_the_newest_default_setting_is_shown(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "attn-map-cls", (10,))
    spec = MetricSpec(name="attn-map-cls", title="m", summary="m", level="map", headline=False)
    small = StoredMap(name="attn-map-cls", layer=1, axes=("head", "token"), array=np.eye(5, dtype=np.float32)[:1])
    record(path, model("dino-s16"), spec, [], analysis="attention", setting="limit=2", maps=[small])
    assert len(run_report(MAPS, path, Options()).data.rows) == DEPTH
    limited = run_report(MAPS, path, Options(setting="limit=2"))
    assert len(limited.data.rows) == 1
    assert "Setting: limit=2" in limited.caption
