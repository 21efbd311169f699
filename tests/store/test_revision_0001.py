"""Tests of a store of the first revision: reading commands accept it and leave it unchanged."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import teachmatters
from teachmatters.api import Record, Result
from teachmatters.cli.app import app
from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, info, query
from teachmatters.store.backend import backend_of
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.migrate import migrate
from teachmatters.store.migrations.versions.v0001_tables_and_views import ALL_RESULTS, RESULTS, RUNS
from tests.store.merging import join
from tests.store.samples import CKA, DISTANCE, NORMS, beside, model, numbers, rows, run, store_at

COMMANDS = (
    "report attention-distance --format json",
    "report metric --metric attn-distance --format csv",
    "report attention-distance --plot {out}/plot.png",
    "query 'SELECT model, seconds FROM runs'",
    "export --out {out}/all.csv",
    "db info",
    "db path",
)


def made_old(place: StoreLocation) -> StoreLocation:
    """The store as revision 0001 would have it."""
    views = {} if isinstance(place, Server) else {"results": RESULTS, "all_results": ALL_RESULTS}
    with backend_of(place).writing_engine(1, tables_only=True).begin() as connection:
        for sql in (
            *(f"DROP VIEW {name}" for name in ("runs", *views)),
            *(f"CREATE VIEW {name} AS {select}" for name, select in views.items()),
            "UPDATE run_facts SET seconds = elapsed",
            "ALTER TABLE run_facts DROP COLUMN elapsed",
            f"CREATE VIEW runs AS {RUNS}",
            "UPDATE teachmatters_revision SET version_num = '0001'",
        ):
            connection.exec_driver_sql(sql)
    return place


@pytest.fixture
def first(place: StoreLocation) -> StoreLocation:
    return made_old(store_at(place, (run(DISTANCE), numbers("attn-distance", 1, 2))))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2)))
    made_old(path)
    return path


def test_reading_does_not_migrate(first: StoreLocation) -> None:
    assert query(first, "SELECT value FROM results ORDER BY layer").rows == [(1.0,), (2.0,)]
    assert query(first, "SELECT * FROM runs").columns[-1] == "seconds"
    with Store.reading(first) as store:
        assert store.recorded(run(DISTANCE).cell) == {"attn-distance"}
    assert teachmatters.open(first if isinstance(first, Path) else first.url).runs["seconds"].tolist() == [90.0]
    assert (info(first)["runs"], info(first)["results"], info(first)["needs_migration"]) == (1, 2, True)
    assert backend_of(first).revision() == "0001"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_reading_command_leaves_the_file_as_it_is(file: Path, tmp_path: Path, command: str) -> None:
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    found = CliRunner().invoke(app, [*shlex.split(command.format(out=tmp_path)), "--db", str(file)])
    assert found.exit_code == 0, found.stderr
    assert (hashlib.sha256(file.read_bytes()).hexdigest(), beside(file)) == (before, ["r.db"])


def test_both_views_of_numbers_show_the_same_rows_before_and_after(tmp_path: Path) -> None:
    """Pairs, a model with itself, swapped norms, heads, replaced numbers, and a metric without any."""
    a, b = model("a"), model("b")
    pairs = [Record(metric="cka", layer=1, other_layer=2, value=0.5), Record(metric="cka", layer=2, value=0.25)]
    norms = [Record(metric="cka-norm", layer=1, other_layer=2, category=c, value=v) for v, c in enumerate(("", "1-2"))]
    path = store_at(
        tmp_path / "r.db",
        (run(CKA, of=a, other=b, analysis="cka"), Result(records=pairs)),
        (run(CKA, of=a, other=a, analysis="cka"), Result(records=pairs)),
        (run(NORMS, of=a, other=b, analysis="cka"), Result(records=norms)),
        (run(DISTANCE, of=a), numbers("attn-distance", 1, 2)),
        (run(DISTANCE, of=a), numbers("attn-distance", 3)),
        (run(DISTANCE, of=b), Result()),
    )
    ask = [
        f"SELECT * FROM {view} ORDER BY run_id, model, metric, layer, category" for view in ("results", "all_results")
    ]
    made_old(path)
    before = [rows(path, sql) for sql in ask]
    migrate(path)
    assert [rows(path, sql) for sql in ask] == before
    assert [len(each) for each in before] == [2 * 2 + 2 + 2 * 2 + 1, 2 * 2 + 2 + 2 * 2 + 3]


def test_old_runs_keep_their_seconds_and_have_no_elapsed(first: StoreLocation) -> None:
    assert migrate(first) == "0001"
    with Store.open(first) as store:
        store.record(run(DISTANCE, of=model("b")), numbers("attn-distance", 5))
    found = query(first, "SELECT model, seconds, elapsed FROM runs ORDER BY elapsed IS NULL, model").rows
    assert found == [("b", 30.5, 90.0), ("dino-b16", 90.0, None)]
    assert len(query(first, "SELECT value FROM results").rows) == 3


def test_a_migrated_store_merges_like_a_new_one(file: Path, tmp_path: Path) -> None:
    into = tmp_path / "into.db"
    join(into, file)
    assert backend_of(file).revision() == "0001"
    migrate(file)
    (again,) = join(into, file).values()
    assert (again.added, again.conflicts) == (0, [])


def test_permissions_granted_to_others_are_kept(server: Server) -> None:
    made_old(store_at(server, (run(DISTANCE), numbers("attn-distance", 1))))
    with backend_of(server).writing_engine(1).begin() as connection:
        connection.exec_driver_sql("GRANT SELECT ON runs TO PUBLIC")
    migrate(server)
    assert "=r/" in str(rows(server, "SELECT relacl FROM pg_class WHERE oid = to_regclass('runs')"))


def test_a_store_on_a_server_is_migrated_before_a_merge(server: Server, tmp_path: Path) -> None:
    made_old(store_at(server, (run(DISTANCE), numbers("attn-distance", 1))))
    with pytest.raises(TeachMattersError, match=r"older teachmatters\. 'tm db migrate --db postgresql://"):
        join(tmp_path / "into.db", server)
    migrate(server)
    assert [one.added for one in join(tmp_path / "into.db", server).values()] == [1]
