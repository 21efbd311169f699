"""Tests of the public views, row by row, with plain sqlite3 and psycopg."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import MetricSpec, Record, Result, StoredMap
from teachmatters.store import VIEWS, Store, query
from teachmatters.store.location import StoreLocation
from tests.store.samples import CKA, DISTANCE, NORMS, PCK, TOP1, model, numbers, rows, run, store_at, values

RESULTS = (
    "run_id, model, weights, family, supervision, arch, patch_size, image_size, depth, dataset, split, setting, "
    "analysis, protocol, metric, layer, head, other_model, other_layer, category, value, std, n, unit, "
    "higher_is_better, finished_at"
)
FACE = {
    "results": RESULTS,
    "all_results": RESULTS + ", is_newest",
    "runs": "run_id, model, name, weights, other_model, other_weights, dataset, fingerprint, split, analysis, "
    "analysis_version, parameters, setting, limit_n, seed, dtype, device, n_items, n_skipped, notes, versions, "
    "git_commit, started_at, finished_at, seconds, elapsed",
    "maps": "run_id, model, dataset, split, analysis, setting, name, layer, axes, shape, dtype, units, data",
}


@pytest.mark.parametrize("view", FACE)
def test_columns_equal_the_documented_ones(place: StoreLocation, view: str) -> None:
    path = store_at(place)
    assert query(path, f"SELECT * FROM {view}").columns == FACE[view].split(", ")
    assert list(VIEWS[view]) == FACE[view].split(", ")


SINGLE: Any = np.float32(80.25)  # what an analysis may well hand over; SQLite would not take it


def test_a_row_of_results(place: StoreLocation) -> None:
    one = run(TOP1, of=model("dino-b16@mine", name="dino-b16", family="dino"), dataset="digits", analysis="knn")
    result = Result(
        records=[
            Record(metric="knn-top1", layer=1, value=81.5, n=898),
            Record(metric="knn-top1", layer=1, value=SINGLE, category="k=10", std=np.float64(2), n=898),
        ]
    )
    path = store_at(place, (one, result))
    weights = one.model.weights
    common = (one.run_id, "dino-b16@mine", weights, "dino", "none", "ViT-B/16", 16, 224, 12, "digits", "all", "", "knn")
    assert rows(path, "SELECT * FROM results ORDER BY category NULLS FIRST") == [
        (*common, None, "knn-top1", 1, None, None, None, None, 81.5, None, 898, "percent", 1, _FINISHED),
        (*common, None, "knn-top1", 1, None, None, None, "k=10", 80.25, 2.0, 898, "percent", 1, _FINISHED),
    ]


_FINISHED = "2025-05-01T12:01:30.000+00:00"


def test_a_row_of_runs(place: StoreLocation) -> None:
    one = run(
        DISTANCE,
        TOP1,
        parameters={"k": (10, 20), "crop": True, "name": None},
        limit=2,
        setting="k=10,20, limit=2",
        notes={"skipped": ["a.jpg"], "worst": float("nan")},
        git_commit="abc",
        n_skipped=1,
    )
    path = store_at(place, (one, Result()))
    [row] = rows(path, "SELECT * FROM runs")
    found = dict(zip(VIEWS["runs"], row, strict=True))
    assert found == {
        **dict.fromkeys(("other_model", "other_weights")),
        "run_id": one.run_id,
        "model": "dino-b16",
        "name": "dino-b16",
        "weights": one.model.weights,
        "dataset": "photos",
        "fingerprint": "f" * 64,
        "split": "all",
        "analysis": "attention",
        "analysis_version": 1,
        "parameters": '{"crop":true,"k":[10,20],"name":null}',
        "setting": "k=10,20, limit=2",
        "limit_n": 2,
        "seed": 0,
        "dtype": "float32",
        "device": "cpu",
        "n_items": 12,
        "n_skipped": 1,
        "notes": '{"skipped":["a.jpg"],"worst":"NaN"}',
        "versions": '{"torch":"2.9"}',
        "git_commit": "abc",
        "started_at": "2025-05-01T12:00:00.000+00:00",
        "finished_at": _FINISHED,
        "seconds": 30.5,
        "elapsed": 90.0,
    }


def test_a_map_round_trip(place: StoreLocation) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    maps = [
        StoredMap(name="attn-map-cls", layer=3, axes=("head", "y", "x"), array=array),
        StoredMap(name="unit:attn-distance", layer=3, axes=("unit",), array=np.zeros(2), units=("a", "ü")),
    ]
    path = store_at(place, (run(DISTANCE), Result(maps=maps)))
    stored, units = rows(path, "SELECT name, layer, axes, shape, dtype, units, data FROM maps ORDER BY name")
    assert stored[:6] == ("attn-map-cls", 3, "head,y,x", "2,3,4", "float32", None)
    np.testing.assert_array_equal(np.load(io.BytesIO(stored[6]), allow_pickle=False), array)
    assert json.loads(units[5]) == ["a", "ü"]


def test_a_shared_list_of_units_is_stored_once(place: StoreLocation) -> None:
    def result(*lists: tuple[str, ...] | None) -> Result:
        one = np.zeros(1)
        return Result(
            maps=[StoredMap(name="m", layer=at, axes=("unit",), array=one, units=u) for at, u in enumerate(lists, 1)]
        )

    path = store_at(
        place,
        (run(DISTANCE), result(("a", "b"), ("a", "b"), None, ())),
        (run(DISTANCE, of=model("mae-b16")), result(("a", "b"), ("b", "a"))),
    )
    assert rows(path, "SELECT model, layer, units FROM maps ORDER BY model, layer") == [
        ("dino-b16", 1, '["a","b"]'), ("dino-b16", 2, '["a","b"]'), ("dino-b16", 3, None), ("dino-b16", 4, "[]"),
        ("mae-b16", 1, '["a","b"]'), ("mae-b16", 2, '["b","a"]'),
    ]  # fmt: skip
    assert values(rows(path, "SELECT units FROM unit_lists")) == {'["a","b"]', '["b","a"]', "[]"}
    assert len(rows(path, "SELECT 1 FROM unit_lists")) == 3


def test_a_metric_of_arrays_is_recorded_without_a_number(place: StoreLocation) -> None:
    spec = MetricSpec(name="attn-map-cls", title="map", summary="of the class token", level="map", headline=False)
    array = StoredMap(name="attn-map-cls", layer=1, axes=("y", "x"), array=np.zeros((2, 2)))
    one = run(spec)
    path = store_at(place, (one, Result(maps=[array])))
    with Store.open(path) as store:
        assert store.recorded(one.cell) == {"attn-map-cls"}
    assert rows(path, "SELECT level FROM metrics") == [("map",)]
    assert rows(path, "SELECT name FROM maps") == [("attn-map-cls",)]


def test_another_setting_is_a_separate_row(place: StoreLocation) -> None:
    path = store_at(
        place,
        (run(DISTANCE), numbers("attn-distance", 0.5)),
        (run(DISTANCE, limit=2, setting="limit=2"), numbers("attn-distance", 0.25)),
    )
    assert rows(path, "SELECT setting, value FROM results ORDER BY setting") == [("", 0.5), ("limit=2", 0.25)]


def test_a_newer_run_does_not_hide_older_metrics(place: StoreLocation) -> None:
    entropy = MetricSpec(name="attn-entropy", title="entropy", summary="entropy")
    path = store_at(
        place,
        (run(DISTANCE, entropy), Result(records=[*_one("attn-distance", 1), *_one("attn-entropy", 2)])),
        (run(DISTANCE), numbers("attn-distance", 3)),
        (run(TOP1, analysis="knn"), numbers("knn-top1", 4)),
    )
    assert values(rows(path, "SELECT value FROM results")) == {2, 3, 4}
    everything = rows(path, "SELECT value, is_newest FROM all_results ORDER BY value")
    assert everything == [(1, 0), (2, 1), (3, 1), (4, 1)]


def _one(metric: str, value: float) -> list[Record]:
    return numbers(metric, value).records


DIFFERENT: list[dict[str, Any]] = [
    {"of": model("mae-b16")},
    {"dataset": "coco"},
    {"split": "val"},
    {"analysis": "other"},
    {"setting": "seed=1"},
    {"other": model("mae-b16")},
]


@pytest.mark.parametrize("change", DIFFERENT, ids=lambda change: next(iter(change)))
def test_fields_that_separate_newest_runs(place: StoreLocation, change: dict[str, Any]) -> None:
    path = store_at(
        place,
        (run(DISTANCE), numbers("attn-distance", 1)),
        (run(DISTANCE, **change), numbers("attn-distance", 2)),
    )
    assert values(rows(path, "SELECT value FROM results")) == {1, 2}


SAME: list[dict[str, Any]] = [
    {"of": model("dino-b16", weights="1" * 64)},
    {"fingerprint": "0"},
    {"analysis_version": 2},
    {"device": "cuda"},
]


@pytest.mark.parametrize("change", SAME, ids=lambda change: next(iter(change)))
def test_fields_that_do_not_separate_newest_runs(place: StoreLocation, change: dict[str, Any]) -> None:
    path = store_at(
        place,
        (run(DISTANCE), numbers("attn-distance", 1)),
        (run(DISTANCE, **change), numbers("attn-distance", 2)),
    )
    assert values(rows(path, "SELECT value FROM results")) == {2}


def test_each_protocol_has_its_own_newest_run(place: StoreLocation) -> None:
    paper = MetricSpec(name="pck-0.10", title="PCK", summary="keypoints", protocols=("paper",))
    both = [Record(metric="pck-0.10", layer=1, value=v, protocol=p) for v, p in ((1, "paper"), (2, "official"))]
    path = store_at(
        place,
        (run(PCK), Result(records=both)),
        (run(paper), numbers("pck-0.10", 3, protocol="paper")),
    )
    assert rows(path, "SELECT protocol, value FROM results ORDER BY value") == [("official", 2), ("paper", 3)]
    assert values(rows(path, "SELECT main_protocol FROM metrics")) == {"paper"}


def test_a_metric_without_numbers_hides_its_older_numbers(place: StoreLocation) -> None:
    path = store_at(place, (run(DISTANCE), numbers("attn-distance", 1)), (run(DISTANCE), Result()))
    assert rows(path, "SELECT value FROM results") == []


A, B = model("clip-b16", depth=24, image_size=336), model("dino-b16")


def test_a_pair_is_shown_in_both_directions(place: StoreLocation) -> None:
    records = [Record(metric="cka", layer=1, other_layer=2, value=0.5)]
    path = store_at(place, (run(CKA, of=A, other=B, analysis="cka"), Result(records=records)))
    columns = "model, weights, family, image_size, depth, layer, other_model, other_layer, value"
    both = [
        ("clip-b16", A.weights, "clip", 336, 24, 1, "dino-b16", 2, 0.5),
        ("dino-b16", B.weights, "dino", 224, 12, 2, "clip-b16", 1, 0.5),
    ]
    assert rows(path, f"SELECT {columns} FROM results ORDER BY model") == both
    assert rows(path, f"SELECT {columns} FROM all_results ORDER BY model") == both
    assert rows(path, "SELECT count(*) FROM records") == [(1,)]
    assert rows(path, "SELECT model, weights, other_model, other_weights FROM runs") == [
        ("clip-b16", A.weights, "dino-b16", B.weights)
    ]


def test_the_norms_of_a_pair_are_swapped(place: StoreLocation) -> None:
    names = ("1-1", "1-2", "2-1", "2-2")
    records = [Record(metric="cka-norm", layer=1, other_layer=2, category=c, value=v) for v, c in enumerate(names)]
    path = store_at(place, (run(NORMS, of=A, other=B, analysis="cka"), Result(records=records)))
    for view in ("results", "all_results"):
        seen = rows(path, f"SELECT value, category, layer, other_layer FROM {view} WHERE model = 'dino-b16' ORDER BY 1")
        assert seen == [(0, "1-1", 2, 1), (1, "2-1", 2, 1), (2, "1-2", 2, 1), (3, "2-2", 2, 1)]


def test_only_the_norms_are_swapped(place: StoreLocation) -> None:
    records = [Record(metric="cka", layer=1, other_layer=2, category="1-2", value=0.5)]
    path = store_at(place, (run(CKA, of=A, other=B), Result(records=records)))
    assert values(rows(path, "SELECT category FROM results")) == {"1-2"}


def test_a_model_with_itself_appears_once(place: StoreLocation) -> None:
    path = store_at(place, (run(CKA, of=A, other=A), numbers("cka", 0.5, other_layer=2)))
    assert rows(path, "SELECT model, other_model, layer, other_layer FROM results") == [("clip-b16", "clip-b16", 1, 2)]
    assert len(rows(path, "SELECT 1 FROM all_results")) == 1


def test_two_layers_of_one_model_are_not_a_pair(place: StoreLocation) -> None:
    residual = MetricSpec(name="residual-cka-attn", title="residual", summary="skip, branch", level="layer-pair")
    path = store_at(place, (run(residual), numbers("residual-cka-attn", 0.5, other_layer=2)))
    assert rows(path, "SELECT other_model, layer, other_layer FROM results") == [(None, 1, 2)]


def test_each_pair_has_its_own_newest_run(place: StoreLocation) -> None:
    c = model("mae-b16")
    path = store_at(
        place,
        (run(CKA, of=A, other=B), numbers("cka", 1, other_layer=1)),
        (run(CKA, of=A, other=c), numbers("cka", 2, other_layer=1)),
        (run(CKA, of=A, other=B), numbers("cka", 3, other_layer=1)),
    )
    seen = rows(path, "SELECT other_model, value FROM results WHERE model = 'clip-b16' ORDER BY value")
    assert seen == [("mae-b16", 2), ("dino-b16", 3)]


def test_every_run_keeps_its_metric_facts(place: StoreLocation) -> None:
    renamed = MetricSpec(name="attn-distance", title="distance", summary="in patches", unit="patches", bounds=(0, None))
    path = store_at(
        place,
        (run(DISTANCE), numbers("attn-distance", 1)),
        (run(DISTANCE, dataset="coco"), numbers("attn-distance", 2)),
        (run(renamed, of=model("dino-b16", arch="ViT")), numbers("attn-distance", 3)),
    )
    seen = rows(path, "SELECT value, unit, arch, is_newest FROM all_results ORDER BY value")
    assert seen == [(1, "", "ViT-B/16", 0), (2, "", "ViT-B/16", 1), (3, "patches", "ViT", 1)]
    assert rows(path, "SELECT main_protocol FROM metrics") == [("",), ("",)]
    facts = rows(path, "SELECT title, unit, lower, upper, level, headline, higher_is_better FROM metrics ORDER BY id")
    assert facts == [
        ("attention distance", "", None, None, "head", 1, None),
        ("distance", "patches", 0, None, "layer", 1, None),
    ]
    assert len(rows(path, "SELECT 1 FROM models")) == 2


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT count(*) FROM {}", {"direction", "recorded", "run", "metric", "model", "number"}),
        ("SELECT DISTINCT model FROM {}", {"direction", "recorded", "run", "metric", "model"}),
        ("SELECT DISTINCT metric, dataset, protocol FROM {}", {"direction", "recorded", "run", "metric", "model"}),
    ],
)
@pytest.mark.parametrize("view", ["results", "all_results"])
def test_a_query_reads_only_the_pages_that_it_needs(tmp_path: Path, view: str, sql: str, reads: set[str]) -> None:
    """The view becomes a part of the query: neither it nor the numbers that no column needs are read first."""
    path = store_at(tmp_path / "r.db", (run(CKA, of=model("a"), other=model("b"), analysis="cka"), Result()))
    plan = [row[3].split() for row in rows(path, f"EXPLAIN QUERY PLAN {sql.format(view)}")]
    assert {name for verb, name, *_ in plan if verb in ("SCAN", "SEARCH")} - {"2", "held"} == reads
    assert not {"CO-ROUTINE", view} & {word for words in plan for word in words}
