from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import MetricSpec, Record, Result, StoredMap
from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, query, writer
from teachmatters.store.location import StoreLocation
from tests.store.samples import DISTANCE, PCK, TOP1, beside, finish, model, numbers, rows, run, start, store_at

ENTROPY = MetricSpec(name="attn-entropy", title="entropy", summary="entropy")


def test_the_view_results_shows_recorded_values(place: StoreLocation) -> None:
    one, other = run(DISTANCE, ENTROPY), run(DISTANCE, fingerprint="0")
    with Store.open(place) as store:
        assert store.recorded(one.cell) == frozenset()
        store.record(one, numbers("attn-distance", 1))
        assert store.recorded(one.cell) == {"attn-distance", "attn-entropy"}  # also the one without a number
        assert store.recorded(other.cell) == frozenset()
        store.record(other, numbers("attn-distance", 2))
        assert store.recorded(other.cell) == {"attn-distance"}
        assert store.recorded(one.cell) == {"attn-entropy"}
        store.record(replace(one, run_id="again", metrics=(DISTANCE,)), numbers("attn-distance", 3))
        assert store.recorded(one.cell) == {"attn-distance", "attn-entropy"}


def test_a_metric_counts_as_recorded_with_all_its_protocols(place: StoreLocation) -> None:
    paper = MetricSpec(name="pck-0.10", title="PCK", summary="keypoints", protocols=("paper",))
    both, half = run(PCK), run(paper, fingerprint="0")
    with Store.open(place) as store:
        store.record(both, Result())
        store.record(half, Result())
        assert store.recorded(both.cell) == frozenset()


def test_measuring_again_keeps_the_old_run(place: StoreLocation) -> None:
    path = store_at(place, (run(DISTANCE), numbers("attn-distance", 1)), (run(DISTANCE), numbers("attn-distance", 2)))
    assert rows(path, "SELECT value, is_newest FROM all_results ORDER BY value") == [(1, 0), (2, 1)]
    assert len(rows(path, "SELECT 1 FROM runs")) == 2


NAN: list[tuple[Result, str]] = [
    (numbers("attn-distance", 1, math.nan), "value of attn-distance, layer 2 is nan"),
    (numbers("attn-distance", math.inf, head=3), "value of attn-distance, layer 1, head 3 is inf"),
    (numbers("attn-distance", 1, std=math.nan), "std of attn-distance, layer 1 is nan"),
    (
        numbers("attn-distance", 1, protocol="paper"),
        "'attn-distance', protocol 'paper'; it may record attn-distance",
    ),
    (numbers("knn-top1", 1), "recorded 'knn-top1'"),
    (Result(records=numbers("attn-distance", 1).records * 2), "the same number twice"),
    (Result(maps=[StoredMap(name="m", layer=1, axes=("y",), array=np.ones((2, 2)))]), "axes y"),
    (Result(maps=[StoredMap(name="m", layer=1, axes=("y",), array=np.array([None]))]), "array of object"),
    (Result(maps=[StoredMap(name="m", layer=1, axes=("y",), array=np.ones(2))] * 2), "the same map twice"),
]


@pytest.mark.parametrize(("result", "words"), NAN)
def test_a_bad_result_stores_nothing(place: StoreLocation, result: Result, words: str) -> None:
    path = store_at(place)
    with Store.open(path) as store, pytest.raises(TeachMattersError) as caught:
        store.record(run(DISTANCE), result)
    assert words in str(caught.value)
    assert rows(path, "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM records)") == [(0,)]


def test_an_error_midway_changes_nothing(place: StoreLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store_at(place, (run(DISTANCE), numbers("attn-distance", 1)))

    def fail(*_: object) -> None:
        raise RuntimeError("halfway")

    with Store.open(path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(writer, "array_rows", fail)
            with pytest.raises(RuntimeError, match="halfway"):
                store.record(run(DISTANCE), numbers("attn-distance", 2))
        assert rows(path, "SELECT value, is_newest FROM all_results") == [(1, 1)]
        store.record(run(DISTANCE), numbers("attn-distance", 3))
    assert rows(path, "SELECT value FROM results") == [(3,)]


def test_foreign_keys_are_on(tmp_path: Path) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import IntegrityError

    with Store.open(tmp_path / "r.db") as store, pytest.raises(IntegrityError), store._engine.begin() as connection:
        connection.execute(text("INSERT INTO recorded VALUES (1, 1, '', '', 1)"))


def test_a_value_is_stored_once(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1)))
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute("INSERT INTO records SELECT * FROM records")


def test_a_store_is_in_wal_mode_and_leaves_no_files(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1)))
    with Store.open(path) as store:
        store.record(run(TOP1), numbers("knn-top1", 1))
        assert beside(path) == ["r.db"]  # also while hours of work pass
    assert path.read_bytes()[18:20] == b"\x02\x02"  # the file's own word for WAL


FULL = (
    "import resource\n"
    "path = Path(sys.argv[1])\n"
    "limit = int(sys.argv[2])\n"
    "if limit == 0:\n"
    "    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
    "with Store.open(path) as store:\n"
    "    if limit:\n"
    "        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
    "    store.record(run(DISTANCE), numbers('attn-distance', *range(20000)))\n"
)


def test_a_full_disk_does_not_change_the_store(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1)))
    error = finish(start(FULL, path, path.stat().st_size + 4096))[1].strip().splitlines()[-1]
    assert error.startswith("teachmatters.errors.TeachMattersError")
    assert "the disk is full" in error
    assert rows(path, "SELECT value FROM all_results") == [(1,)]
    with Store.open(path) as store:
        store.record(run(DISTANCE), numbers("attn-distance", 2))
    assert rows(path, "SELECT value FROM results") == [(2,)]


def test_a_full_disk_creates_no_store(tmp_path: Path) -> None:
    assert "the disk is full" in finish(start(FULL, tmp_path / "r.db", 0))[1]
    assert list(tmp_path.iterdir()) == []
    store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1)))


def test_sqlites_error_for_a_full_disk(tmp_path: Path) -> None:
    from sqlalchemy import event

    path = store_at(tmp_path / "r.db")
    with Store.open(path) as store:

        @event.listens_for(store._engine, "connect")
        def limit(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA max_page_count = 30")

        with pytest.raises(TeachMattersError, match="the disk is full"):
            store.record(run(DISTANCE), numbers("attn-distance", *range(20000)))
    assert rows(path, "SELECT count(*) FROM runs") == [(0,)]


def test_numpy_scalars_are_stored_as_numbers(tmp_path: Path) -> None:
    record = Record(metric="attn-distance", layer=np.int64(3), value=np.float32(0.5), n=np.int32(7))  # type: ignore[arg-type]
    path = store_at(tmp_path / "r.db", (run(DISTANCE), Result(records=[record])))
    assert rows(path, "SELECT layer, typeof(layer), value, typeof(value), n FROM results") == [
        (3, "integer", 0.5, "real", 7)
    ]


def test_numbers_and_texts_round_trip_exactly(place: StoreLocation) -> None:
    """The last decimal, the largest counts, every letter; and the two engines sort texts alike, by their bytes."""
    exact = [0.1, 1 / 3, 1e-300, -2.5e17, math.pi, 1e-307, 1e100]
    odd = ["caf\udce9\x1b", "Zebra", "apfel", "Äpfel", "a b", "a-b", "o'brien\n%s \\", "\U0001f642"]
    records = [Record(metric="knn-top1", layer=n, value=v, category=odd[0]) for n, v in enumerate(exact, 1)]
    one = run(TOP1, of=model(odd[0]), seed=2**40, n_items=2**33, notes={odd[0]: odd[0]})
    path = store_at(place, (one, Result(records=records)))
    store_at(path, *((run(DISTANCE, of=model(name)), numbers("attn-distance", 1)) for name in odd[1:]))
    assert [
        value for (value,) in query(path, "SELECT value FROM results WHERE metric = 'knn-top1' ORDER BY layer").rows
    ] == exact
    assert query(path, "SELECT seed, n_items, notes FROM runs WHERE seed > 0").rows == [
        (2**40, 2**33, '{"caf\\\\udce9\\u001b":"caf\\\\udce9\\u001b"}')
    ]
    names = [name for (name,) in query(path, "SELECT DISTINCT model FROM runs ORDER BY model").rows]
    assert names == sorted(["caf\\udce9\x1b", *odd[1:]], key=str.encode)
    with Store.open(path) as store:
        assert store.recorded(one.cell) == {"knn-top1"}


def test_names_of_unusual_files_are_escaped(tmp_path: Path) -> None:
    odd, shown = "caf\udce9\x1b", "caf\\udce9\x1b"
    facts: dict[str, Any] = {
        "of": model(odd),
        "dataset": odd,
        "setting": odd,
        "parameters": {"file": odd},
        "notes": {odd: odd},
    }
    maps = [StoredMap(name="m", layer=1, axes=("unit",), array=np.ones(1), units=(odd,))]
    one = run(TOP1, **facts)
    path = store_at(
        tmp_path / "r.db",
        (one, Result(records=numbers("knn-top1", 1, category=odd).records, maps=maps)),
        (replace(one, run_id="again"), numbers("knn-top1", 2, category=odd)),
    )
    assert rows(path, "SELECT model, dataset, setting, category, value FROM results") == [(shown,) * 4 + (2,)]
    assert rows(path, "SELECT value FROM maps, json_each(units)") == [(shown,)]
    assert rows(path, "SELECT DISTINCT key, json_each.value, parameters ->> 'file' FROM runs, json_each(notes)") == [
        (shown, shown, shown)
    ]
    with Store.open(path) as store:
        assert store.recorded(one.cell) == {"knn-top1"}


def test_a_store_opens_by_url_and_in_odd_folders(tmp_path: Path) -> None:
    folder = tmp_path / "odd %20 ?#é"
    folder.mkdir()
    with Store.open(f"sqlite:///{folder}/r.db") as store:
        store.record(run(DISTANCE, of=model("o'brien\n")), numbers("attn-distance", 1))
        assert store.path == folder / "r.db"
    assert query(folder / "r.db", "SELECT model FROM results").rows == [("o'brien\n",)]
    assert beside(folder / "r.db") == ["r.db"]
