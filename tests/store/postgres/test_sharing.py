"""Tests of a server shared by several people with their own users, schemas and search paths."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from benchmarks.postgres import schemas
from teachmatters.api.progress import NoProgress
from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, info, writer
from teachmatters.store.backend import backend_of, plain_errors
from teachmatters.store.location import Server
from teachmatters.store.merge.merge import merge
from teachmatters.store.postgres.reader import reading, stream
from teachmatters.store.postgres.write_connection import LOCK
from teachmatters.store.public import READING
from tests.postgres import Cluster
from tests.store.merging import join
from tests.store.samples import DISTANCE, TOP1, numbers, rows, run, store_at


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> tuple[Server, Server]:
    """One store in ``public``, as its owner sees it, and as alice, who may write it and has a schema of her name."""
    cluster.execute("CREATE DATABASE shared")
    owner = store_at(Server(cluster.url("shared")))
    for sql in (
        "CREATE ROLE alice LOGIN",
        "CREATE SCHEMA AUTHORIZATION alice",
        "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO alice",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO alice",
    ):
        cluster.execute(sql, "shared")
    return owner, Server(cluster.url("shared", "alice"))


def test_writers_with_different_search_paths_exclude_each_other(
    shared: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, alice = shared
    assert rows(alice, "SELECT current_schema()") == [("alice",)]
    monkeypatch.setattr(writer, "PATIENCE", 0.3)
    with Store.open(alice) as store:
        with (
            backend_of(owner).writing_engine(1).begin(),
            pytest.raises(TeachMattersError, match="is locked by another program"),
        ):
            store.record(run(DISTANCE), numbers("attn-distance", 1))
        store.record(run(DISTANCE), numbers("attn-distance", 2))
    assert rows(owner, "SELECT value FROM all_results") == [(2,)]
    assert info(owner)["bytes"] == info(alice)["bytes"] > 100_000


def test_readers_cannot_block_writers(
    shared: tuple[Server, Server], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the functions of a query, nor by a statement of their own on the server."""
    import psycopg

    owner, _ = shared
    cluster.execute("CREATE ROLE carol LOGIN", "shared")
    cluster.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO carol", "shared")
    carol = Server(cluster.url("shared", "carol"))
    monkeypatch.setattr(writer, "PATIENCE", 0.5)
    every = "generate_series(0, 1) AS one, (SELECT 'public'::regnamespace::oid::int AS key) AS schema"
    locks = f"SELECT pg_advisory_lock(29805, key), pg_advisory_xact_lock(29805 * one, key) FROM {every}"
    for lock in (LOCK, LOCK.replace("SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE")):
        with psycopg.connect(carol.url) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute(lock.encode())
    with stream(carol, locks, timeout=60) as found, Store.open(owner) as store:
        assert len(list(found)) == 2
        store.record(run(DISTANCE), numbers("attn-distance", 1))


def test_stores_of_two_schemas_do_not_wait_for_each_other(server: Server, cluster: Cluster) -> None:
    with backend_of(store_at(cluster.new())).writing_engine(1).begin(), Store.open(server, timeout=0.5) as store:
        store.record(run(DISTANCE), numbers("attn-distance", 1))


def test_two_processes_do_not_create_one_store_at_once(server: Server) -> None:
    with (
        backend_of(server).writing_engine(1).begin(),
        pytest.raises(TeachMattersError, match="is locked by another program"),
    ):
        Store.open(server, timeout=0.2)
    store_at(server)


def test_the_servers_timeouts_do_not_lose_a_run(server: Server) -> None:
    """Another writer is waited for longer than the server lets a query take."""
    import psycopg

    store_at(server)
    hasty = Server(f"{server.url}%20-cstatement_timeout%3D200%20-cidle_in_transaction_session_timeout%3D200")
    with Store.open(hasty) as store:
        other = backend_of(server).writing_engine(1).connect()
        other.begin()
        done = threading.Timer(0.8, other.close)
        done.start()
        store.record(run(DISTANCE), numbers("attn-distance", 1))
        done.join()
        shown = store._engine.execution_options(**{READING: True})
        with shown.begin() as connection:  # as it asks what is measured
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
    assert rows(server, "SELECT value FROM results") == [(1,)]
    with contextlib.closing(reading(hasty)) as connection:  # as a merge reads it
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute(f"SHOW {name}".encode()).fetchall() == [("0",)]
    with (
        pytest.raises(TeachMattersError, match="the server stopped it: its statement_timeout"),
        plain_errors(hasty),
        psycopg.connect(hasty.url) as plain,
    ):
        plain.execute("SELECT pg_sleep(5)")


def test_merging_needs_the_owner(shared: tuple[Server, Server], tmp_path: Path, cluster: Cluster) -> None:
    owner, alice = shared
    source = store_at(tmp_path / "r.db", (run(TOP1), numbers("knn-top1", 1)))
    with pytest.raises(TeachMattersError, match=r"only its owner may merge into a store.*with --into$"):
        merge([tmp_path / "never-opened.db"], alice, NoProgress())
    cluster.execute("CREATE ROLE deputy LOGIN IN ROLE owner")
    for may in (owner, Server(owner.url.replace("owner@", "deputy@"))):
        join(may, source)
    assert rows(owner, "SELECT value FROM results WHERE metric = 'knn-top1'") == [(1,)]


def test_the_benchmark_takes_any_address_and_leaves_nothing_behind(cluster: Cluster) -> None:
    url = cluster.url("lab?options=-cjit%3Doff").replace("postgresql://", "PostgreSQL+psycopg://")
    made = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'teachmatters_benchmark%'"
    with schemas(url) as new:
        for _ in range(2):
            store = store_at(new(), (run(DISTANCE), numbers("attn-distance", 1)))
            assert rows(store, "SELECT current_setting('jit'), count(*) FROM results") == [("off", 1)]
        assert cluster.execute(made, "lab") == [(2,)]
    assert cluster.execute(made, "lab") == [(0,)]
    with pytest.raises(TeachMattersError, match="a database on a server"), schemas("r.db"):
        pass
