"""Tests of unusable servers: a one-line error without the password, and nothing partially recorded."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, query, writer
from teachmatters.store.backend import backend_of
from teachmatters.store.location import Server, plain_path
from teachmatters.store.postgres.connection import _connection_problem
from teachmatters.store.schema import Number
from tests.pages import DOCS
from tests.postgres import Cluster, running
from tests.store.samples import DISTANCE, TOP1, numbers, rows, run, store_at


def tm(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def port(cluster: Cluster) -> str:
    return f"127.0.0.1:{cluster.port}"


WRONG: list[tuple[Callable[[Cluster], str], str]] = [
    (lambda c: f"locked:wrong@{port(c)}/lab", "the server rejects this user or password. Give it as"),
    (lambda c: f"locked@{port(c)}/lab", "the server asks for a password. Give it as"),
    (lambda c: f"owner:secret@{port(c)}/nosuch", "there is no such database on the server. Make it with 'createdb'"),
    (lambda c: f"nobody:secret@{port(c)}/lab", 'rejects the login (role "nobody" does not exist)'),
    (lambda _: "owner:secret@127.0.0.1:1/lab", "no PostgreSQL server answers there"),
    (lambda _: "owner:secret@no.such.host.invalid/lab", "there is no host of that name"),
    (lambda _: "/lab?host=/nowhere&password=secret", "no PostgreSQL server answers there"),
    (lambda c: f"owner:secret@{port(c)}/lab?colour=red", "has a parameter that PostgreSQL does not know"),
    (lambda c: f"owner:secret%zz@{port(c)}/lab", "a % that is not followed by two hexadecimal digits"),
    (
        lambda c: f"owner:secret@{port(c)}/postgres?options=-csearch_path%3Dnope",
        "there is no schema nope in this database. Make",
    ),
    (
        lambda c: f"owner@{port(c)}/postgres?options=-csearch_path%3D%22$user%22%2C%22No%22",
        """there is no schema "No" in this database. Make it with 'CREATE SCHEMA "No"'""",
    ),
    (lambda c: f"locked:right@{port(c)}/postgres?options=-csearch_path%3Dpublic", "this user may not create tables"),
]


def test_another_program_answers_at_the_address() -> None:
    text = 'connection failed: connection to server at "h", port 80 failed: received invalid response to SSL: H'
    expected = "no connection (received invalid response to SSL: H). Check that a PostgreSQL"
    assert _connection_problem(text).startswith(expected)


COMMANDS: list[list[object]] = [
    ["db", "info"],
    ["query", "SELECT 1"],
    ["report", "knn"],
    ["export", "--out", "x.csv"],
    ["analyze", "--model", "random-s32", "--metric", "attn-distance", "--limit", "1"],
]


@pytest.mark.parametrize(("address", "words"), WRONG)
def test_a_wrong_address_is_a_one_line_error(cluster: Cluster, address: Callable[[Cluster], str], words: str) -> None:
    url = f"postgresql://{address(cluster)}"
    with pytest.raises(TeachMattersError) as caught:
        Store.open(url)
    said = str(caught.value)
    assert words in said
    assert said.startswith(str(plain_path(url)))
    assert "secret" not in said
    assert "wrong" not in said


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_every_command_prints_the_same_error(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[object]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TM_DB", f"postgresql+psycopg://locked:secret@{port(cluster)}/lab")
    result = tm(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "rejects this user or password" in result.stderr
    assert "secret" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_right_password_opens_it(cluster: Cluster) -> None:
    cluster.execute("CREATE SCHEMA AUTHORIZATION locked", "lab")
    path = store_at(
        Server(f"postgresql://locked:right@{port(cluster)}/lab"), (run(DISTANCE), numbers("attn-distance", 1))
    )
    assert query(path, "SELECT value FROM results").rows == [(1.0,)]


@pytest.mark.parametrize("command", [*COMMANDS[:4], ["db", "migrate"]], ids=lambda command: " ".join(command[:2]))
def test_a_database_without_a_store(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[object]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = tm(*command, "--db", server.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no results store in {server}. 'tm analyze --db" in result.stderr
    assert rows(server, "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = current_schema()") == [
        (0,)
    ]
    assert backend_of(server).exists() is False


def test_a_schema_with_other_tables_is_not_touched(server: Server, cluster: Cluster) -> None:
    schema = server.url.rpartition("%3D")[2]
    cluster.execute(f"CREATE TABLE {schema}.models (colour text)", "lab")
    for use in (lambda: Store.open(server), lambda: query(server, "SELECT 1"), backend_of(server).exists):
        with pytest.raises(TeachMattersError, match=r"has tables that do not belong.*search_path%3DNAME"):
            use()


def test_a_schema_without_permission(server: Server) -> None:
    for locked in (
        server.url.replace("owner@", "locked:right@"),
        server.url.replace("owner@", "locked:right@") + "%2Cx",
    ):
        with pytest.raises(TeachMattersError, match=r"this user may not use the schema results_\d+. Ask the owner"):
            Store.open(locked)


def test_a_newer_store_is_refused(server: Server, cluster: Cluster) -> None:
    store_at(server)
    schema = server.url.rpartition("%3D")[2]
    cluster.execute(f"UPDATE {schema}.teachmatters_revision SET version_num = '9999'", "lab")
    for use in (lambda: Store.open(server), lambda: query(server, "SELECT 1")):
        with pytest.raises(TeachMattersError, match="written by a newer teachmatters"):
            use()


def test_missing_write_permission_is_detected_before_measuring(server: Server, cluster: Cluster) -> None:
    store_at(server)
    schema = server.url.rpartition("%3D")[2]
    cluster.execute("CREATE ROLE guest LOGIN", "lab")
    cluster.execute(f"GRANT USAGE ON SCHEMA {schema} TO guest", "lab")
    cluster.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guest", "lab")
    with pytest.raises(TeachMattersError, match="this user may not add to the store"):
        Store.open(server.url.replace("owner@", "guest@"))
    with pytest.raises(TeachMattersError, match="the server takes no changes"):
        Store.open(f"{server.url}%20-cdefault_transaction_read_only%3Don")


def test_the_documented_permissions_suffice_for_a_writer(server: Server, cluster: Cluster) -> None:
    store_at(server, (run(DISTANCE), numbers("attn-distance", 1)))
    schema = server.url.rpartition("%3D")[2]
    text = (DOCS / "store.md").read_text("utf-8")
    granted = re.findall(r"^(?:CREATE ROLE|GRANT) .*\bwriter\b.*;$", text, re.MULTILINE)
    assert len(granted) == 3
    for sql in (*granted, f"GRANT USAGE ON SCHEMA {schema} TO writer"):
        cluster.execute(sql.replace("public", schema), "lab")
    writer_of = Server(server.url.replace("owner@", "writer@"))
    store_at(writer_of, (run(DISTANCE), numbers("attn-distance", 2)), (run(TOP1), numbers("knn-top1", 3)))
    assert rows(server, "SELECT value, is_newest FROM all_results ORDER BY 1") == [(1, 0), (2, 1), (3, 1)]


def test_without_psycopg_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for command in COMMANDS[:2]:
        result = tm(*command, "--db", "postgresql://me:secret@lab/results")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "pip install 'teachmatters[postgres]'" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_commands_for_files_only_name_an_alternative(server: Server) -> None:
    store_at(server)
    for command in (["db", "compact"], ["browse", "--no-open"]):
        result = tm(*command, "--db", server.url)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"'tm db merge {server} --into FILE.db'" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert tm("db", "path", "--db", server.url).stdout == f"{server}\n"


# ---------------------------------------------------------------- midway
@pytest.fixture
def own() -> Iterator[Cluster]:
    """A server that is killed, and had kept what it said that it has stored."""
    with running(("fsync=off",)) as cluster:
        yield cluster


def test_a_server_that_stops_midway(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """When half a run is on the server, between two runs, and while rows are read; and then it comes back."""
    path = store_at(own.new(), (run(DISTANCE), numbers("attn-distance", 1)))
    before = rows(path, "SELECT * FROM all_results")
    insert = writer._insert

    def insert_and_stop(session: object, table: object, values: list[dict[str, object]]) -> None:
        insert(session, table, values)  # type: ignore[arg-type]
        if table is Number:
            own.stop()

    monkeypatch.setattr(writer, "PAUSES", ())
    lost = "the connection was lost. Check that the server runs, and run the same command again"
    with Store.open(path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(writer, "_insert", insert_and_stop)
            with pytest.raises(TeachMattersError, match=lost):
                store.record(run(DISTANCE), numbers("attn-distance", *range(500)))
        with pytest.raises(TeachMattersError, match="no PostgreSQL server answers there"):
            store.record(run(DISTANCE), numbers("attn-distance", 2))
        own.start()
        assert rows(path, "SELECT * FROM all_results") == before
        store.record(run(DISTANCE), numbers("attn-distance", 3))
    assert rows(path, "SELECT value, is_newest FROM all_results ORDER BY value") == [(1, 0), (3, 1)]


def test_a_run_is_stored_after_a_short_outage(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed before, in the middle, and after it has stored a run, of which it could not say so any more."""
    import psycopg

    slept: list[float] = []

    def back(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            own.start()

    def stop(*_: object) -> None:
        if not slept:
            own.stop()

    def gone(_: object) -> None:
        if not slept:
            own.stop()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(writer, "sleep", back)
    path = own.new()
    for number, moment in enumerate(("before_flush", "after_flush", "after_commit"), start=1):
        slept.clear()
        hook = gone if moment == "after_commit" else stop
        event.listen(Session, moment, hook)
        with Store.open(path) as store:
            store.record(run(DISTANCE), numbers("attn-distance", number))
        event.remove(Session, moment, hook)
        assert slept == [1, 2]
    assert rows(path, "SELECT value, is_newest FROM all_results ORDER BY value") == [(1, 0), (2, 0), (3, 1)]


def test_a_connection_that_is_cut_while_rows_are_read(server: Server, cluster: Cluster) -> None:
    from teachmatters.store.reader import stream

    store_at(server)
    with stream(server, "SELECT generate_series(1, 1000000)", timeout=60) as found:
        walk = iter(found)
        assert next(walk) == (1,)
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'FETCH%'")
        with pytest.raises(TeachMattersError, match="the connection was lost"):
            list(walk)


def test_a_busy_store_is_waited_for_and_then_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    from teachmatters.store.postgres.write_connection import LOCK

    path = store_at(server)
    monkeypatch.setattr(writer, "PATIENCE", 0.3)
    with psycopg.connect(server.url) as other, Store.open(path) as store:
        other.execute(LOCK)
        assert store.recorded(run(DISTANCE).cell) == frozenset()  # reading needs no lock
        with pytest.raises(TeachMattersError, match="is locked by another program"):
            store.record(run(DISTANCE), numbers("attn-distance", 1))
        with pytest.raises(TeachMattersError, match="is locked by another program"):
            Store.open(path, timeout=0.2)
    store_at(path, (run(DISTANCE), numbers("attn-distance", 1)))
