from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import teachmatters
from teachmatters.api import StoredMap
from teachmatters.errors import TeachMattersError
from teachmatters.results import Results
from teachmatters.store import Store
from tests.reports.stores import MAP, TOP1, model, record, typical, values
from tests.store.samples import beside, rows

FIRST = np.arange(6.0).reshape(1, 2, 3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The typical one, with maps: dino under two settings and twice, mae on a data set of its own."""
    path = typical(tmp_path_factory.mktemp("face") / "results.db")

    def keep(label: str, array: np.ndarray[tuple[int, int, int], np.dtype[np.float64]], **facts: str) -> None:
        maps = [StoredMap(name=MAP.name, layer=at, axes=("head", "y", "x"), array=array + at) for at in (1, 2)]
        record(path, model(label), MAP, (), maps=maps, **facts)  # type: ignore[arg-type]

    keep("dino-s16", FIRST + 100)
    keep("dino-s16", FIRST)
    keep("dino-s16", FIRST + 200, setting="limit=2")
    keep("mae-b16", FIRST + 300, data="digits", setting="limit=2")
    return path


@pytest.fixture
def results(store: Path) -> Results:
    return teachmatters.open(store)


def test_a_data_frame_equals_the_view(results: Results, store: Path) -> None:
    found = results.frame()
    kept = rows(store, "SELECT model, layer, head, metric, value, std FROM results ORDER BY model, dataset, metric, layer, head")  # fmt: skip  # noqa: E501
    assert len(found) == len(kept)
    assert sorted(found["value"]) == sorted(row[4] for row in kept)
    types = {name: str(found[name].dtype) for name in ("layer", "head", "value", "std", "model", "other_layer")}
    assert types == {
        "layer": "Int64", "head": "Int64", "value": "float64", "std": "float64", "model": "string",
        "other_layer": "Int64",
    }  # fmt: skip
    assert str(found["higher_is_better"].dtype) == "boolean"
    assert isinstance(found["finished_at"].dtype, pd.DatetimeTZDtype)


def test_a_data_frame_of_some_rows(results: Results, store: Path) -> None:
    found = results.frame("attn-distance", model="dino-*", headline=True)
    kept = rows(store, "SELECT layer, value FROM results WHERE metric = 'attn-distance' AND model = 'dino-s16' AND head IS NULL ORDER BY 1")  # fmt: skip  # noqa: E501
    assert list(zip(found["layer"], found["value"], strict=True)) == kept
    assert found["head"].isna().all()
    assert set(results.frame("knn", model=["dino", "mae-b16"], data="digits")["model"]) == {"dino-s16", "mae-b16"}
    assert len(results.frame(setting="")) == len(results.frame())
    assert math.isnan(results.frame("knn-top1").query("category == 'k=10'")["std"].iloc[0])


def test_a_query_keeps_types(results: Results) -> None:
    found = results.query("SELECT 1 AS a, 2 AS a, NULL AS b, 'x' AS c UNION ALL SELECT NULL, 0.5, NULL, NULL")
    assert [str(dtype) for dtype in found.dtypes] == ["Int64", "float64", "object", "string"]
    assert list(found.columns) == ["a", "a_2", "b", "c"]
    assert found["a"].isna().tolist() == [False, True]
    assert results.query("SELECT layer, value FROM results WHERE FALSE").dtypes.astype(str).tolist() == [
        "Int64", "float64",
    ]  # fmt: skip


def test_tables_of_the_contents(results: Results) -> None:
    assert results.models.loc["mae-b16", "family"] == "mae"
    assert bool(results.metrics.loc["knn-top1", "higher_is_better"])
    assert results.metrics["higher_is_better"].isna()["attn-distance"]
    assert results.runs["finished_at"].is_monotonic_increasing


def test_a_map_is_the_newest_with_default_settings(results: Results) -> None:
    np.testing.assert_array_equal(results.map("attn-map-cls", model="dino-s16", layer=2), FIRST + 2)
    np.testing.assert_array_equal(
        results.map("attn-map-cls", model="dino-s16", layer=1, setting="limit=2"), FIRST + 201
    )
    np.testing.assert_array_equal(results.map("attn-map-cls", model="mae-b16", layer=1), FIRST + 301)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "attn-map"}, "has no map 'attn-map'; it holds 'attn-map-cls'"),
        ({}, "several: pass model= of 'attn-map-cls'; it holds 'dino-s16', 'mae-b16'"),
        ({"model": "moco"}, "no model 'moco' of 'attn-map-cls'; it holds 'dino-s16', 'mae-b16'"),
        ({"model": "dino-s16", "layer": 9}, "no layer 9 of 'attn-map-cls'; it holds 1, 2"),
        ({"model": "dino-s16", "data": "coco"}, "no data 'coco' of 'attn-map-cls'; it holds 'photos'"),
        ({"model": "mae-b16", "setting": ""}, "no setting '' of 'attn-map-cls'; it holds 'limit=2'"),
    ],
)
def test_an_ambiguous_map_is_an_error(results: Results, asked: dict[str, str], message: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        results.map(**{"name": "attn-map-cls", "layer": 1, **asked})  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_reports(results: Results) -> None:
    table = results.report("metric", metric="knn-top1", layers=[1, 2])
    assert len(table) == 2 or "7.0" in table.to_string()
    figure = results.figure("attention-distance", model="dino-s16")
    assert figure.axes
    drawn: Any = figure
    assert drawn._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(TeachMattersError, match="unknown report 'attention'"):
        results.report("attention")
    with pytest.raises(TeachMattersError, match="no numbers of the model 'moco' yet"):
        results.figure("attention-distance", model="moco")
    with pytest.raises(TeachMattersError, match="unknown metric"):
        results.frame("nothing")
    with pytest.raises(TypeError):
        results.report("metric", colour="red")
    assert len(results.figure("metric", metric="knn-top1", by="supervision").axes) == 2
    with pytest.raises(TeachMattersError, match="by='family' is unknown; use by='supervision'"):
        results.figure("metric", by="family")
    with pytest.raises(TeachMattersError, match="'1-3' is a text; layers and heads are numbers"):
        results.report("metric", layers="1-3")


def test_the_store_describes_its_contents(store: Path, tmp_path: Path) -> None:
    results = teachmatters.open(store)
    assert str(store) in repr(results)
    assert "dino-s16, mae-b16" in repr(results)
    assert "<td style='text-align:left'>dino-s16, mae-b16</td>" in results._repr_html_()
    Store.open(tmp_path / "empty.db").close()
    assert repr(teachmatters.open(tmp_path / "empty.db")).endswith("none yet")
    path = tmp_path / "odd.db"
    record(path, model("<script>"), TOP1, values(TOP1, [1.0]))
    assert "<script>" not in teachmatters.open(path)._repr_html_()


def test_the_location_of_the_opened_store(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    assert teachmatters.open().path == Path("results.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TM_DB", str(store))
    assert teachmatters.open().path == store
    with pytest.raises(TeachMattersError, match="no results store at"):
        teachmatters.open("none.db")
    (tmp_path / "text.db").write_text("hello")
    with pytest.raises(TeachMattersError, match="not a SQLite file"):
        teachmatters.open("text.db")
    with pytest.raises(TeachMattersError, match="may only read"):
        teachmatters.open().query("DELETE FROM records")
    assert beside(store) == ["results.db"]
