"""Tests of conflicts between stores."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teachmatters.api import MetricSpec, Record, Result
from teachmatters.store import Run
from teachmatters.store.location import StoreLocation
from teachmatters.store.merge.merge import Merged
from tests.postgres import Cluster
from tests.store.merging import VIEWS, at, frame, join, ordered, result
from tests.store.samples import CKA, DISTANCE, PCK, TOP1, model, numbers, rows, run, store_at, values


def only(found: dict[str, Merged], name: str) -> str:
    (conflict,) = found[name].conflicts
    return f"{conflict.what}: {conflict.why}"


def test_a_cell_with_other_numbers(tmp_path: Path) -> None:
    one = run(DISTANCE, run_id="one", versions={"torch": "2.9", "numpy": "2"}, **at(1))
    two = run(DISTANCE, run_id="two", versions={"torch": "2.15", "numpy": "2"}, device="cuda", **at(2))
    a = store_at(tmp_path / "a.db", (one, numbers("attn-distance", 1, 2, 3)))
    b = store_at(tmp_path / "b.db", (two, numbers("attn-distance", 1, 2.25, 3.5)))
    found = join(tmp_path / "c.db", b, a)
    assert [found[name].added for name in ("a.db", "b.db")] == [1, 1]
    assert only(found, "b.db") == (
        "dino-b16, photos, attention: 2 of 3 numbers differ, by up to 0.5 (attn-distance, layer 3); device cpu and "
        "cuda; torch 2.9 and 2.15. Reports use the later run, two of 2025-05-01 12:02:00 UTC; one stays in all_results"
    )
    assert found["b.db"].conflicts[0].run_ids == ("two", "one")
    assert rows(tmp_path / "c.db", "SELECT run_id, value FROM results ORDER BY layer") == [
        ("two", 1), ("two", 2.25), ("two", 3.5)
    ]  # fmt: skip
    assert values(rows(tmp_path / "c.db", "SELECT run_id FROM all_results")) == {"one", "two"}


def test_the_existing_run_may_be_the_newer(tmp_path: Path) -> None:
    a = store_at(tmp_path / "a.db", (run(DISTANCE, run_id="one", **at(1)), numbers("attn-distance", 1, 2)))
    b = store_at(tmp_path / "b.db", (run(DISTANCE, run_id="two", **at(2)), numbers("attn-distance", 3)))
    said = only(join(b, a), "a.db")
    assert "2 of 2 numbers differ, by up to 2 (attn-distance, layer 1). Reports use the later run, two of" in said
    assert values(rows(b, "SELECT value FROM results")) == {3}


def test_a_cell_with_the_same_numbers_is_not_a_conflict(tmp_path: Path) -> None:
    paths = [store_at(tmp_path / f"{n}.db", (run(DISTANCE, device=str(n), **at(n)), numbers("attn-distance", 1, 2)))
             for n in (1, 2)]  # fmt: skip
    found = join(tmp_path / "c.db", *paths)
    assert [(one.added, one.conflicts) for one in found.values()] == [(1, []), (1, [])]


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"of": model(weights="1" * 64)}, "weights"),
    ({"fingerprint": "0"}, "images (fingerprint)"),
    ({"analysis_version": 2, "dtype": "float16"}, "version of the analysis, dtype"),
    ({"parameters": {"k": 3}}, "parameters"),
]


@pytest.mark.parametrize(("facts", "words"), CLAIMS, ids=lambda value: value if isinstance(value, str) else "")
def test_another_measurement_for_the_same_place(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    a = store_at(tmp_path / "a.db", (run(DISTANCE, run_id="one", **at(1)), numbers("attn-distance", 1)))
    b = store_at(tmp_path / "b.db", (run(DISTANCE, run_id="two", **facts, **at(2)), numbers("attn-distance", 1)))
    said = f"dino-b16, photos, attention: not the same {words} (attn-distance). Reports use the later run, two of"
    assert only(join(a, b), "b.db").startswith(said)


def test_differing_runs_in_one_store_are_not_a_conflict(tmp_path: Path) -> None:
    first, again, third = (run(DISTANCE, run_id=name, **at(n)) for n, name in enumerate(("one", "two", "three")))
    a = store_at(tmp_path / "a.db", (first, numbers("attn-distance", 1)), (again, numbers("attn-distance", 2)))
    b = store_at(tmp_path / "b.db", (first, numbers("attn-distance", 1)), (third, numbers("attn-distance", 2)))
    assert [one.conflicts for one in join(tmp_path / "c.db", a).values()] == [[]]
    assert [one.conflicts for one in join(a, b).values()] == [[]], "the newest of both agree"


@pytest.mark.parametrize("turned", [False, True])
def test_the_latest_run_of_a_store_is_compared(tmp_path: Path, turned: bool) -> None:
    late, early, other = (run(DISTANCE, **at(minutes)) for minutes in (5, 2, 3))
    a = store_at(tmp_path / "a.db", (late, numbers("attn-distance", 1)), (early, numbers("attn-distance", 2)))
    b = store_at(tmp_path / "b.db", (other, numbers("attn-distance", 1)))
    assert [one.conflicts for one in join(*((b, a) if turned else (a, b))).values()] == [[]]


def test_one_id_with_two_contents(tmp_path: Path) -> None:
    """Nobody's UUIDs do that; a store that was tampered with does."""
    contents = [(n, value) for n in (1, 2) for value in (5, 6)]
    paths = [store_at(tmp_path / f"{nth}.db", (run(DISTANCE, run_id="same", **at(n)), numbers("attn-distance", value)))
             for nth, (n, value) in enumerate(contents)]  # fmt: skip
    seen = []
    for nth, order in enumerate(list(itertools.permutations(paths))[::5]):
        into = tmp_path / f"all-{nth}.db"
        told = [len(found.conflicts) for path in order for found in join(into, path).values()]
        assert told == [0, 1, 1, 1]
        assert all(not (one.added or one.conflicts) for one in join(into, *order).values())
        seen.append(rows(into, "SELECT run_id, value, finished_at, is_newest FROM all_results ORDER BY 1, 2, 3, 4"))
    assert all(each == seen[0] for each in seen)
    assert sorted((when[14:16], value) for _, value, when, _ in seen[0]) == [("01", 5), ("01", 6), ("02", 5), ("02", 6)]
    kept = [when for name, _, when, _ in seen[0] if name == "same"]
    assert [when[14:16] for when in kept] == ["02"]
    said = only(join(tmp_path / "pair.db", paths[0], paths[2]), "2.db")
    own = values(rows(tmp_path / "pair.db", "SELECT run_id FROM runs")) - {"same"}
    assert said == (
        "run same: two runs have this id and differ in finished_at, elapsed. Both are kept: the later one keeps the "
        f"id, the other is now run {own.pop()}"
    )
    assert len(join(tmp_path / "merged.db", tmp_path / "pair.db", paths[2], paths[0])["pair.db"].conflicts) <= 1
    assert rows(tmp_path / "merged.db", "SELECT * FROM runs") == rows(tmp_path / "pair.db", "SELECT * FROM runs")


PARTS: list[tuple[Run, Result, str]] = [
    (run(DISTANCE, run_id="r", notes={"a": 1}), result("attn-distance", 1), "notes"),
    (run(DISTANCE, run_id="r", of=model(arch="ViT")), result("attn-distance", 1), "model's arch"),
    (run(replace(DISTANCE, title="x"), run_id="r"), result("attn-distance", 1), "facts of metrics"),
    (run(DISTANCE, TOP1, run_id="r"), result("attn-distance", 1), "facts of metrics, numbers"),
    (run(DISTANCE, run_id="r"), Result(records=result("attn-distance", 1).records), "arrays"),
    (run(DISTANCE, run_id="r"), result("attn-distance", 1, units=("a", "b", "d")), "arrays"),
    (run(DISTANCE, run_id="r"), Result(maps=result("attn-distance", 1).maps), "numbers"),
    (run(DISTANCE, run_id="r"), replace(result("attn-distance", 1), records=[
        replace(record, n=7) for record in result("attn-distance", 1).records]), "numbers"),
    (run(DISTANCE, run_id="r"), replace(result("attn-distance", 1), records=[
        *result("attn-distance", 1).records, Record(metric="attn-distance", layer=4, value=1.0)]), "numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("other", "content", "words"), PARTS)
def test_every_field_of_a_run_is_compared(
    tmp_path: Path, place: StoreLocation, other: Run, content: Result, words: str
) -> None:
    a = store_at(tmp_path / "a.db", (run(DISTANCE, run_id="r"), result("attn-distance", 1)))
    b = store_at(tmp_path / "b.db", (other, content))
    found = join(place, a, b)
    (first, *others) = (conflict for one in found.values() for conflict in one.conflicts)
    assert f"differ in {words}. Both" in first.why
    assert [other.what for other in others] == ["metric attn-distance"] * (words == "facts of metrics")
    assert len(rows(place, "SELECT 1 FROM runs")) == 2


def test_a_server_reports_the_same_conflicts_as_a_file(tmp_path: Path, cluster: Cluster) -> None:
    """Ids that clash, cells measured twice, facts that differ; and the same ids are made for the same contents."""
    each = [
        (run(DISTANCE, run_id="same", **at(1)), result("attn-distance", 1)),
        (run(DISTANCE, run_id="same", **at(2)), result("attn-distance", 2)),
        (run(replace(DISTANCE, title="x"), run_id="other", **at(3)), result("attn-distance", 3)),
        (run(DISTANCE, run_id="same", **at(1)), result("attn-distance", 4)),
    ]
    paths = [store_at(tmp_path / f"{nth}.db", one) for nth, one in enumerate(each)]
    for nth, order in enumerate((paths, paths[::-1])):
        file, server = tmp_path / f"all-{nth}.db", cluster.new()
        for path in order:
            assert join(server, path) == join(file, path)
        for view in VIEWS:
            assert ordered(frame(server, view)) == ordered(frame(file, view))
        assert len(frame(server, "runs")) == 4


def test_facts_of_metrics_that_differ(tmp_path: Path) -> None:
    other = MetricSpec(name="knn-top1", title="k-NN", summary="top-1", unit="", higher_is_better=None, bounds=(0, 1))
    worded = replace(DISTANCE, title="x"), replace(PCK, summary="y")
    a = store_at(
        tmp_path / "a.db",
        (run(TOP1, analysis="knn", dataset="1", **at(1)), numbers("knn-top1", 81)),
        (run(DISTANCE, dataset="1", **at(1)), numbers("attn-distance", 1)),
        (run(PCK, dataset="1", **at(1)), numbers("pck-0.10", 1, protocol="paper")),
    )
    b = store_at(
        tmp_path / "b.db",
        (run(other, analysis="knn", dataset="2", **at(2)), numbers("knn-top1", 0.81)),
        (run(worded[0], dataset="2", **at(2)), numbers("attn-distance", 1)),
        (run(worded[1], dataset="2", **at(2)), numbers("pck-0.10", 1, protocol="paper")),
        (run(CKA, dataset="2", **at(2)), numbers("cka", 1, other_layer=1)),
    )
    rule = "every run keeps its own, and reports use the run that finished last"
    found = join(tmp_path / "c.db", a, b)["b.db"].conflicts
    assert [f"{conflict.what}: {conflict.why}" for conflict in found] == [
        f"metric knn-top1: unit 'percent' and '', higher_is_better 1 and None, upper 100.0 and 1.0: {rule}",
        f"metric attn-distance, pck-0.10: title, summary or source reads differently: {rule}",
    ]
    own = store_at(tmp_path / "d.db", (run(DISTANCE, dataset="3", **at(0)), numbers("attn-distance", 1)))
    store_at(own, (run(replace(DISTANCE, unit="patches"), dataset="3", **at(3)), numbers("attn-distance", 1)))
    assert join(a, own)["d.db"].conflicts == [], "it differs from itself, not from the other"
    sql = "SELECT dataset, unit, higher_is_better FROM results WHERE metric = 'knn-top1' ORDER BY 1"
    assert rows(tmp_path / "c.db", sql) == [("1", "percent", 1), ("2", "", None)]
