"""Tests of merged stores against pandas: rows concatenated, each run once, the newest by time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from teachmatters.store import connect
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.merge.copy import _OWN, _SHARED
from teachmatters.store.merge.merge import merge
from teachmatters.store.schema import Base
from tests.postgres import Cluster
from tests.store.merging import VIEWS, Counted, at, dump, frame, join, ordered, result
from tests.store.samples import DISTANCE, TOP1, beside, numbers, rows, run, store_at, values

# ---------------------------------------------------------------- against pandas
PLACE = ["model", "dataset", "split", "analysis", "setting", "protocol", "metric", "other_model"]


def expected(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    joined = {
        view: pd.concat([frame(path, view) for path in paths]).drop(columns="is_newest", errors="ignore")
        for view in VIEWS
    }
    once = {view: table.drop_duplicates().reset_index(drop=True) for view, table in joined.items()}
    table = once["all_results"]
    newest = table.groupby(PLACE, dropna=False)["finished_at"].transform("max") == table["finished_at"]
    return {**once, "results": table[newest], "all_results": table.assign(is_newest=newest.astype(int))}


def test_merged_rows_equal_those_of_pandas(three: list[Path], place: StoreLocation) -> None:
    watch = Counted()
    merge(three, place, watch)
    for view, table in expected(three).items():
        assert len(table) > 20, "the example is worth looking at"
        assert ordered(frame(place, view)) == ordered(table), view
    assert len(frame(place, "runs")) == 25
    assert sorted(watch.files) == [["merging a.db", 12, 12], ["merging b.db", 10, 10], ["merging c.db", 11, 11]]
    if isinstance(place, Server):
        return
    with closing(connect(place)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_merging_into_an_existing_store(three: list[Path]) -> None:
    table = expected(three)
    found = join(three[0], *three[1:])
    assert {name: one.runs for name, one in found.items()} == {"c.db": 11, "b.db": 10}
    assert sum(one.added for one in found.values()) == 25 - 12
    for view in VIEWS:
        assert ordered(frame(three[0], view)) == ordered(table[view]), view


def test_from_a_server_and_back(three: list[Path], server: Server, cluster: Cluster, tmp_path: Path) -> None:
    """What is on a server already, what comes from one, and what is recorded after that."""
    table = expected(three)
    both = cluster.new()
    join(server, three[0])
    found = join(both, server, *three[1:])
    assert sum(one.added for one in found.values()) == 25
    assert sum(one.added for one in join(both, *three, server).values()) == 0
    join(tmp_path / "file.db", both)
    for view in VIEWS:
        assert ordered(frame(both, view)) == ordered(table[view]), view
        assert ordered(frame(tmp_path / "file.db", view)) == ordered(table[view]), view
    store_at(both, (run(DISTANCE, dataset="new", **at(99)), numbers("attn-distance", 1)))
    assert len(frame(both, "runs")) == 26


def test_a_failed_merge_leaves_nothing_on_a_server(
    three: list[Path], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_at(server, (run(DISTANCE, dataset="old"), numbers("attn-distance", 1)))
    before = {view: ordered(frame(server, view)) for view in VIEWS}

    def fail(*_: object) -> None:
        raise RuntimeError("halfway")

    with monkeypatch.context() as patch:
        patch.setattr("teachmatters.store.merge.merge.settle", fail)
        with pytest.raises(RuntimeError, match="halfway"):
            join(server, *three)
    assert {view: ordered(frame(server, view)) for view in VIEWS} == before
    join(server, *three)
    assert len(frame(server, "runs")) == 26


def test_rows_copied_through_python_are_the_same(
    three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes ten files beside the target; a cluster may leave more."""
    join(tmp_path / "few.db", *three)
    twelve = [store_at(tmp_path / f"{n}.db", (run(DISTANCE, dataset=str(n), **at(n)), result("attn-distance", n)))
              for n in range(12)]  # fmt: skip
    monkeypatch.setattr("teachmatters.store.merge.copy.CHUNK", 3)
    found = join(tmp_path / "many.db", *twelve, *three)
    assert sum(one.added for one in found.values()) == 12 + 25
    for view, table in expected([*twelve, tmp_path / "few.db"]).items():
        assert ordered(frame(tmp_path / "many.db", view)) == ordered(table), view


# ---------------------------------------------------------------- order and repetition
def test_the_order_of_the_files_changes_nothing(three: list[Path], tmp_path: Path) -> None:
    dumps = []
    for nth, order in enumerate(itertools.permutations(three)):
        join(tmp_path / f"all-{nth}.db", *order)
        dumps.append(dump(tmp_path / f"all-{nth}.db"))
    assert all(each == dumps[0] for each in dumps), "key by key"


def test_merging_one_by_one_equals_merging_all_at_once(three: list[Path], tmp_path: Path) -> None:
    join(tmp_path / "once.db", *three)
    for nth, order in enumerate([three, three[::-1], [three[1], three[2], three[0]]]):
        for path in order:
            join(tmp_path / f"steps-{nth}.db", path)
        for view in VIEWS:
            assert ordered(frame(tmp_path / f"steps-{nth}.db", view)) == ordered(frame(tmp_path / "once.db", view))


def test_merging_again_changes_no_byte(three: list[Path], tmp_path: Path) -> None:
    into = tmp_path / "all.db"
    join(into, *three)
    content = into.read_bytes()
    found = join(into, *three, into)
    assert {(one.added, *one.conflicts) for one in found.values()} == {(0,)}
    assert into.read_bytes() == content
    assert beside(into) == ["all.db"]


def test_the_newest_run_finished_last_in_any_store(place: StoreLocation, tmp_path: Path) -> None:
    late, early = (run(DISTANCE, **at(minutes)) for minutes in (5, 2))
    same, moment = (run(DISTANCE, dataset="coco", run_id=name, **at(3)) for name in ("1", "2"))
    path = store_at(
        place,
        (late, numbers("attn-distance", 5)),
        (early, numbers("attn-distance", 2)),  # waited for the lock, and counts as the newest here
        (moment, numbers("attn-distance", 12)),
        (same, numbers("attn-distance", 11)),
    )
    assert values(rows(path, "SELECT value FROM results")) == {2, 11}
    other = store_at(tmp_path / "b.db", (run(TOP1, analysis="knn"), numbers("knn-top1", 1)))
    for into, files in ((tmp_path / "c.db", [path, other]), (path, [other])):
        join(into, *files)
        assert values(rows(into, "SELECT value FROM results")) == {5, 12, 1}


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_latest_metric_facts_come_last(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    """Reports take a metric's facts with the highest id."""
    told = {"a": ("first", "third"), "b": ("second",), "c": ("fourth", "first")}
    minutes = {"first": (0, 1), "second": (2,), "third": (3,), "fourth": (4,)}
    taken = {name: list(when) for name, when in minutes.items()}
    paths = []
    for machine, titles in told.items():
        each = [(run(replace(DISTANCE, title=title), dataset=f"{machine} {title}", **at(taken[title].pop(0))),
                 numbers("attn-distance", 1, 2)) for title in titles]  # fmt: skip
        paths.append(store_at(tmp_path / f"{machine}.db", *each))
    every = "SELECT dataset, unit, value, layer FROM all_results ORDER BY 1, 4"
    for nth, order in enumerate(itertools.permutations(paths)):
        into: StoreLocation = tmp_path / f"all-{nth}.db"
        if engine == "postgres":
            into = request.getfixturevalue("cluster").new()
        for path in order:
            join(into, path)
        found = [title for (title,) in rows(into, "SELECT title FROM metrics ORDER BY id")]
        assert found == ["first", "second", "third", "fourth"]
        with_titles = (
            "SELECT run.dataset, metrics.title FROM recorded JOIN run_facts AS run ON run.id = recorded.run_id "
            "JOIN metrics ON metrics.id = metric_id"
        )
        assert all(data.split()[1] == title for data, title in rows(into, with_titles))
        assert rows(into, every) == sorted(itertools.chain(*(rows(path, every) for path in paths)))


def test_lists_of_units_are_kept_once(three: list[Path], tmp_path: Path) -> None:
    join(tmp_path / "c.db", *three)
    lists = rows(tmp_path / "c.db", "SELECT units FROM unit_lists")
    assert len(lists) == len({*lists}) == 2
    assert len(rows(tmp_path / "c.db", "SELECT 1 FROM map_arrays WHERE unit_list_id IS NOT NULL")) > 20
    assert len(rows(tmp_path / "c.db", "SELECT 1 FROM models")) == 3
    assert len(rows(tmp_path / "c.db", "SELECT 1 FROM metrics")) == 4


def test_every_table_is_merged() -> None:
    assert {table.__tablename__ for table in (*_OWN, *_SHARED)} == set(Base.metadata.tables)
