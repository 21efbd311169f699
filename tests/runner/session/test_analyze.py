"""Tests from a request to the store: what is measured, reused or refused, and how often a model runs."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch import Tensor

from teachmatters.errors import TeachMattersError
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.requests import AnalyzeRequest, Outcome
from teachmatters.runner.session.analyze import analyze
from tests.toys import ToyMotion

pytestmark = pytest.mark.usefixtures("toys")


KNN = ["knn-top1", "knn-top1-chance", "knn-top5", "knn-top5-chance"]


class Runs:
    """Analyze commands on one store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, models: str, metrics: str, **options: Any) -> list[Outcome]:
        options.setdefault("data", ["toys"])
        request = AnalyzeRequest(
            models=models.split(), metrics=metrics.split(), db=self.path, parameters=options.pop("param", ()), **options
        )
        return analyze(request)

    def fails(self, models: str, metrics: str, **options: Any) -> str:
        """Why the only outcome failed."""
        (outcome,) = self(models, metrics, **options)
        assert outcome.status == "failed"
        return outcome.reason

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest.fixture
def run(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "store.db")


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Inputs that went through each model, the gate's two left aside."""
    counted: Counter[str] = Counter()
    original = TimmViT.stream

    def counting(self: TimmViT, pixels: Tensor, taps: Any, sink: Any) -> None:
        if len(taps) < 8:  # the gate asks for every tap
            counted[f"{self.info.depth}"] += len(pixels)
        original(self, pixels, taps, sink)

    monkeypatch.setattr(TimmViT, "stream", counting)
    return counted


def statuses(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def test_analyses_with_one_transform_share_a_pass(run: Runs, forwards: Counter[str]) -> None:
    outcomes = run("toy-a", "attention knn toy-pairs")
    assert statuses(outcomes) == ["done"] * 3
    assert forwards["3"] == 21
    run("toy-a", "toy-video")  # prepared in two windows: a pass of its own over 5 videos of 4 frames
    assert forwards["3"] == 21 + 40


def test_fused_numbers_are_those_of_separate_runs(run: Runs, tmp_path: Path) -> None:
    run("toy-a", "attention knn")
    apart = Runs(tmp_path / "apart.db")
    apart("toy-a", "attention", batch_size=5)
    apart("toy-a", "knn", batch_size=2)
    query = "SELECT metric, layer, head, category, value, std, n FROM results ORDER BY 1, 2, 3, 4"
    for (*key, value, std, n), (*key2, value2, std2, n2) in zip(run.rows(query), apart.rows(query), strict=True):
        assert key == key2
        assert n == n2
        assert value2 == pytest.approx(value, rel=1e-5)
        assert (std2 is None) == (std is None)
        assert std is None or std2 == pytest.approx(std, rel=1e-4, abs=1e-9)


def test_stored_results_are_reused_and_force_measures_again(run: Runs, forwards: Counter[str]) -> None:
    assert statuses(run("toy-a", "attn-distance")) == ["done"]
    before = run.rows("SELECT * FROM results ORDER BY layer, head")
    assert statuses(run("toy-a", "attn-distance")) == ["reused"]
    assert forwards["3"] == 21
    assert run.rows("SELECT * FROM results ORDER BY layer, head") == before
    assert statuses(run("toy-a", "attn-distance", force=True)) == ["done"]
    assert forwards["3"] == 42
    assert len(run.rows("SELECT DISTINCT run_id FROM all_results")) == 2
    assert len(run.rows("SELECT DISTINCT run_id FROM results")) == 1


def test_only_the_missing_metric_is_measured(run: Runs) -> None:
    run("toy-a", "knn-top1")
    outcomes = run("toy-a", "knn")
    assert {(o.status, o.metrics) for o in outcomes} == {
        ("done", frozenset({"knn-top1-chance", "knn-top5", "knn-top5-chance"})),
        ("reused", frozenset({"knn-top1"})),
    }
    assert run.rows("SELECT DISTINCT metric FROM results ORDER BY 1") == [(name,) for name in KNN]


def test_a_newer_run_does_not_hide_older_metrics(run: Runs) -> None:
    run("toy-a", "attn-distance")
    run("toy-a", "knn")
    found = run.rows("SELECT DISTINCT metric FROM results ORDER BY 1")
    assert found == [("attn-distance",), *((name,) for name in KNN)]


def test_a_limited_run_is_stored_next_to_the_full_run(run: Runs) -> None:
    run("toy-a", "attn-distance")
    full = run.rows("SELECT layer, head, value FROM results WHERE setting = '' ORDER BY 1, 2")
    run("toy-a", "attn-distance", limit=2)
    assert run.rows("SELECT layer, head, value FROM results WHERE setting = '' ORDER BY 1, 2") == full
    settings = run.rows("SELECT setting, max(n) FROM results GROUP BY setting ORDER BY 1")
    assert settings == [("", 21), ("limit=2", 2)]


def test_a_limit_counts_queries_and_videos(run: Runs) -> None:
    run("toy-a", "knn toy-video", limit=3)
    assert run.rows("SELECT DISTINCT n FROM results WHERE metric = 'knn-top1'") == [(3,)]
    assert run.rows("SELECT n_items FROM runs WHERE analysis = 'knn'") == [(3 + 11,)]
    assert run.rows("SELECT n_items FROM runs WHERE analysis = 'toy-video'") == [(3 * 4,)]


def test_two_checkpoints_of_one_architecture_are_stored_side_by_side(run: Runs) -> None:
    run("one=toy-a two=toy-c", "attn-distance")
    assert run.rows("SELECT DISTINCT model FROM results ORDER BY 1") == [("one",), ("two",)]
    assert len(run.rows("SELECT DISTINCT weights FROM results")) == 2


def test_pairs_need_one_pass_per_model_and_show_both_directions(run: Runs, forwards: Counter[str]) -> None:
    outcomes = run("toy-a toy-b", "toy-similarity")
    assert statuses(outcomes) == ["done"] * 3
    assert forwards == {"3": 21, "2": 21}
    shapes = (
        "SELECT model, other_model, max(layer), max(other_layer), count(*) FROM results GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert run.rows(shapes) == [
        ("toy-a", "toy-a", 3, 3, 9),
        ("toy-a", "toy-b", 3, 2, 6),
        ("toy-b", "toy-a", 2, 3, 6),
        ("toy-b", "toy-b", 2, 2, 4),
    ]
    swapped = "SELECT value FROM results WHERE model = '{}' AND other_model = '{}' AND layer = {} AND other_layer = {}"
    assert run.rows(swapped.format("toy-a", "toy-b", 3, 1)) == run.rows(swapped.format("toy-b", "toy-a", 1, 3))
    self_alike = run.rows("SELECT value FROM results WHERE model = other_model AND layer = other_layer")
    assert [value for (value,) in self_alike] == pytest.approx([1.0] * 5)
    assert statuses(run("toy-b toy-a", "toy-similarity")) == ["reused"] * 3


def test_a_third_model_adds_only_its_own_pairs(run: Runs) -> None:
    run("toy-a toy-b", "toy-similarity")
    outcomes = run("toy-a toy-b toy-c", "toy-similarity")
    assert sorted(statuses(outcomes)) == ["done"] * 3 + ["reused"] * 3
    assert {(o.model, o.other) for o in outcomes if o.status == "done"} == {
        ("toy-a", "toy-c"),
        ("toy-b", "toy-c"),
        ("toy-c", "toy-c"),
    }


def test_a_bad_image_is_skipped_counted_and_named(run: Runs) -> None:
    (outcome,) = run("toy-a", "attn-distance", param=["bad=2,5"])
    assert (outcome.items, outcome.skipped) == (19, 2)
    ((n_items, n_skipped, notes),) = run.rows("SELECT n_items, n_skipped, notes FROM runs")
    assert (n_items, n_skipped) == (19, 2)
    assert set(json.loads(notes)["skipped"]) == {"image 2", "image 5"}
    assert run.rows("SELECT DISTINCT n FROM results") == [(19,)]


def test_unusual_names_and_shapes_of_images_work(run: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    Image.new("RGB", (9, 9), "red").save(folder / "fine.png")
    Image.new("RGB", (9, 9), "blue").save(folder / os.fsdecode(b"\xff.png"))
    Image.new("RGB", (1, 90000)).save(folder / "thin.png")
    (outcome,) = run("toy-a", "attn-distance", data=["folder"], data_root=folder)
    assert (outcome.status, outcome.items, outcome.skipped) == ("done", 2, 1)


def test_bad_images_do_not_change_the_other_numbers(run: Runs, tmp_path: Path) -> None:
    run("toy-a", "knn toy-pairs", param=["bad=20", "count=21"])
    whole = Runs(tmp_path / "whole.db")
    whole("toy-a", "knn toy-pairs", param=["count=20"])
    query = "SELECT metric, layer, other_layer, category, value FROM results ORDER BY 1, 2, 3, 4"
    assert run.rows(query) == whole.rows(query)


@pytest.mark.parametrize("metric", ["attn-distance", "knn", "toy-pairs"])
def test_only_bad_images_is_an_error(run: Runs, metric: str) -> None:
    every = ",".join(str(i) for i in range(21))
    reason = run.fails("toy-a", metric, param=[f"bad={every}"])
    assert "nothing to measure: none of 21 images of 'toys' could be read (first: image" in reason
    assert not run.path.exists()


def test_an_empty_data_set_is_an_error_and_creates_no_store(run: Runs) -> None:
    with pytest.raises(TeachMattersError, match="nothing to measure"):
        run("toy-a", "attn-distance", param=["count=0"])
    assert not run.path.exists()


def test_non_finite_values_are_refused_with_the_layer(run: Runs) -> None:
    assert "layer 2 is not finite" in run.fails("toy-nan", "attn-distance")
    assert not run.path.exists()


def test_nan_midway_stores_nothing(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    original = TimmViT.stream

    def failing(self: TimmViT, pixels: Tensor, taps: Any, sink: Any) -> None:
        broken = len(taps) < 8 and len(pixels) < 16  # the last, smaller batch

        def spoil(layer: int, tap: Any, values: Tensor) -> None:
            sink(layer, tap, values * float("nan") if broken and (layer, tap) == (3, "block") else values)

        original(self, pixels, taps, spoil)

    monkeypatch.setattr(TimmViT, "stream", failing)
    outcomes = run("toy-a", "attn-distance knn", batch_size=16)
    assert statuses(outcomes) == ["failed", "failed"]
    assert "layer 3 is not finite" in outcomes[0].reason
    assert not run.path.exists()


def test_a_failing_model_does_not_stop_the_others(run: Runs) -> None:
    outcomes = run("toy-broken toy-nan toy-a", "attn-distance knn")
    ended = {(o.model, o.analysis): (o.status, o.reason) for o in outcomes}
    assert ended["toy-a", "attention"][0] == ended["toy-a", "knn"][0] == "done"
    assert ended["toy-broken", "knn"] == ("failed", "toy-broken is broken")
    assert ended["toy-nan", "attention"][0] == "failed"
    assert "not finite" in ended["toy-nan", "attention"][1]
    assert run.rows("SELECT DISTINCT model FROM results") == [("toy-a",)]


def test_one_failing_analysis_does_not_affect_the_others(run: Runs) -> None:
    outcomes = run("toy-a", "knn attn-distance", param=["k=12"])
    assert statuses(outcomes) == ["failed", "done"]
    assert "k-NN needs" in outcomes[0].reason
    assert run.rows("SELECT DISTINCT metric FROM results") == [("attn-distance",)]


@pytest.mark.parametrize("step", ["start", "update", "end_group", "state", "compute"])
@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError("division by zero")])
def test_a_failure_anywhere_in_an_analysis_does_not_affect_the_others(
    run: Runs, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(ToyMotion, step, broken)
    ended = {o.analysis: o for o in run("toy-a", "toy-video attn-distance")}
    assert ended["toy-video"].status == "failed"
    assert ("out of memory" if isinstance(error, MemoryError) else "ZeroDivisionError") in ended["toy-video"].reason
    if step != "start":  # what cannot start is found before any image is read
        assert ended["attention"].status == "done"


def test_a_failure_after_a_reuse_is_a_failure(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run("toy-a toy-c", "knn-top1")

    def refuse(*_: object) -> None:
        raise TeachMattersError("the gate is shut")

    monkeypatch.setattr("teachmatters.runner.forward.build.preflight_check", refuse)
    outcomes = run("toy-a toy-c", "knn")
    assert statuses(outcomes) == ["reused", "failed", "reused", "failed"]
    assert [o.model for o in outcomes] == ["toy-a", "toy-a", "toy-c", "toy-c"]


def test_a_pair_reports_why_one_model_failed(run: Runs) -> None:
    outcomes = run("toy-a toy-broken toy-nan", "toy-pairs")
    ended = {(o.model, o.other): (o.status, o.reason) for o in outcomes}
    assert ended["toy-a", "toy-a"] == ("done", "")
    assert ended["toy-a", "toy-broken"] == ("failed", "toy-broken is broken")
    assert "not finite" in ended["toy-a", "toy-nan"][1]
    assert len(ended) == 6


def test_a_pair_metric_that_needs_a_class_token(run: Runs) -> None:
    for _ in range(2):
        outcomes = run("toy-a toy-bare", "toy-similarity-cls")
        assert {(o.model, o.other) for o in outcomes} == {
            ("toy-a", "toy-a"),
            ("toy-a", "toy-bare"),
            ("toy-bare", "toy-bare"),
        }
    assert statuses(outcomes) == ["reused"] * 3
    assert run.rows("SELECT DISTINCT model, other_model FROM results") == [("toy-a", "toy-a")]
    noted = run.rows("SELECT model, other_model FROM runs WHERE notes LIKE '%not applicable%' ORDER BY 1")
    assert noted == [("toy-a", "toy-bare"), ("toy-bare", "toy-bare")]


def test_analyses_with_side_effects_are_never_reused(run: Runs, tmp_path: Path) -> None:
    run("toy-a", "toy-video")
    assert statuses(run("toy-a", "toy-video")) == ["reused"]
    assert statuses(run("toy-a", "toy-video", param=[f"save={tmp_path}"])) == ["done"]
    assert run.rows("SELECT DISTINCT setting FROM all_results") == [("",)]


def test_only_metrics_that_the_data_set_allows_are_measured(run: Runs) -> None:
    (outcome,) = run("toy-a", "toy-video", data=["toys"])
    assert outcome.metrics == {"toy-motion"}  # toy-parts needs parts, which toys has not
    with pytest.raises(TeachMattersError, match="which toys does not offer"):
        run("toy-a", "toy-parts")


def test_the_default_data_set_where_the_papers_is_missing(run: Runs) -> None:
    with pytest.raises(TeachMattersError, match=r"the paper has no data set for toy-video; give --data: .*toys"):
        run("toy-a", "toy-video", data=["paper"])


def test_class_token_metrics_do_not_apply_without_a_class_token(run: Runs) -> None:
    named = ["feature=cls,cls+mean"]
    outcomes = run("toy-bare", "knn attn-distance", param=named)
    assert statuses(outcomes) == ["done", "done", "done"]
    assert outcomes[0].notes == {"not applicable without a class token": KNN}
    assert run.rows("SELECT DISTINCT metric FROM results") == [("attn-distance",)]
    assert run.rows("SELECT n_items FROM runs WHERE analysis = 'knn'") == [(0,), (0,)]
    assert statuses(run("toy-bare", "knn", param=named)) == ["reused", "reused"]


def test_a_k_larger_than_the_gallery_is_skipped_and_noted(run: Runs) -> None:
    (outcome,) = run("toy-a", "knn", param=["k=3,5,50"])
    assert outcome.notes == {"k larger than the gallery, left out": [50]}
    categories = run.rows("SELECT DISTINCT category FROM results ORDER BY 1")
    assert categories == [(None,), ("k=3",), ("k=5",)]
    headline = "SELECT r.value = f.value FROM results r JOIN results f USING (metric, layer) "
    assert set(run.rows(headline + "WHERE r.category IS NULL AND f.category = 'k=5'")) == {(1,)}


def test_a_run_records_its_provenance(run: Runs) -> None:
    run("lab=toy-a", "knn", param=["k=5"], seed=3)
    connection = sqlite3.connect(run.path)
    connection.row_factory = sqlite3.Row
    row = dict(connection.execute("SELECT * FROM runs").fetchone())
    connection.close()
    assert row["model"] == "lab"
    assert row["name"] == "toy-a"
    assert len(row["weights"]) == len(row["fingerprint"]) == 64
    assert json.loads(row["parameters"]) == {"k": [5], "temperature": 0.07, "count": 21, "bad": []}
    assert row["setting"] == "k=5, seed=3"
    assert (row["seed"], row["dtype"], row["device"], row["limit_n"]) == (3, "float32", "cpu", None)
    assert {"python", "torch", "timm", "teachmatters"} <= set(json.loads(row["versions"]))
    assert row["started_at"] < row["finished_at"]


def test_unit_scores_are_a_map_of_every_layer(run: Runs) -> None:
    run("toy-a", "knn-top1", param=["k=5"])
    maps = run.rows("SELECT name, layer, axes, shape, units FROM maps ORDER BY layer")
    assert [(name, layer, axes) for name, layer, axes, *_ in maps] == [("unit:knn-top1", i, "unit") for i in (1, 2, 3)]
    assert json.loads(maps[0][4]) == [f"image {i}" for i in range(1, 21, 2)]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_another_setting(run: Runs, dtype: str) -> None:
    run("toy-a", "attn-distance knn")
    run("toy-a", "attn-distance knn", dtype=dtype)
    full, half = (
        run.rows(f"SELECT value FROM results WHERE setting = '{setting}' AND head IS NULL AND metric = 'attn-distance'")
        for setting in ("", f"dtype={dtype}")
    )
    assert [v for (v,) in half] == pytest.approx([v for (v,) in full], rel=0.02)
    assert half != full


@pytest.mark.parametrize(
    ("models", "metrics", "options", "words"),
    [
        ("toy-z", "knn", {}, "Did you mean 'toy-"),
        ("toy-*x", "knn", {}, "no model matches"),
        ("toy-a", "knn-top2", {}, "unknown metric 'knn-top2'. Did you mean 'knn-top"),
        ("toy-a", "knn", {"data": ["toyz"]}, "unknown data set 'toyz'. Did you mean 'toys'"),
        (
            "toy-a",
            "knn",
            {"data": ["photos"]},
            "knn needs labels, which photos does not offer; data sets that do: scenes, digits",
        ),
        ("toy-a", "knn", {"data": ["imagenet"]}, "--data-root"),
        ("toy-a", "knn", {"param": ["q=1"]}, "unknown parameter 'q'"),
        ("toy-a", "knn", {"data_root": Path("/nowhere")}, "toys needs none; name your data set with --data"),
        ("toy-a", "attn-distance", {"data": ["photos"], "param": ["q=1"]}, "Declared here: short_side"),
        ("toy-a", "knn", {"param": ["feature=cls,max"]}, "feature=max: allowed are auto, cls, mean"),
        ("toy-a", "knn", {"param": ["tap=norm1", "norm=final"]}, "norm=final with tap=norm1"),
        ("toy-a", "knn", {"param": ["tap=attn_skip"]}, "tap=attn_skip: allowed are block, norm1"),
        ("toy-a", "knn", {"param": ["short_side=0"]}, "short_side=0: it must be at least 1"),
        ("toy-a", "knn", {"limit": 0}, "--limit 0: it must be at least 1"),
        ("toy-a", "knn", {"batch_size": 0}, "--batch-size 0"),
        ("toy-a", "knn", {"seed": -1}, "--seed -1"),
        ("toy-a", "knn", {"device": "gpu"}, "unknown device 'gpu'"),
        ("toy-a", "knn", {"dtype": "int8"}, "unknown dtype 'int8'"),
        ("toy-a toy-a", "knn", {}, "two models are labelled 'toy-a'"),
        ("toy-a x=toy-a toy-b", "knn", {"weights": ["y=f"]}, "no model is labelled 'y'"),
        ("toy-a toy-b", "knn", {"weights": ["f.pth"]}, "write LABEL=FILE"),
        ("x=toy-*", "knn", {}, "one label cannot name"),
        ("=toy-a", "knn", {}, "the label is empty"),
        ("", "knn", {}, "nothing to do"),
    ],
)
def test_impossible_requests_are_errors_and_create_nothing(
    run: Runs, models: str, metrics: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(TeachMattersError, match=words.replace("(", r"\(").replace("*", r"\*")) as caught:
        run(models, metrics, **options)
    assert "\n" not in str(caught.value)
    assert not run.path.exists()


def test_an_unwritable_store_is_detected_at_once(run: Runs, tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="does not exist"):
        Runs(tmp_path / "nowhere" / "store.db")("toy-broken", "knn")
    run.path.write_text("no store")
    with pytest.raises(TeachMattersError, match="is not a SQLite file"):
        run("toy-broken", "knn")
    assert run.path.read_text() == "no store"


def test_a_suite_skips_analyses_that_do_not_fit(run: Runs) -> None:
    outcomes = run("toy-a", "paper", data=["photos"], limit=2)
    assert {o.dataset for o in outcomes} == {"photos"}
    measured = {o.analysis for o in outcomes}
    assert "attention" in measured
    assert "knn" not in measured  # photos has no labels
