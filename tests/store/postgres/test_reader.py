"""Tests of untrusted queries on a server: read only, one statement, limited time."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psycopg
import pytest

from teachmatters.errors import SqlError, TeachMattersError
from teachmatters.store import query
from teachmatters.store.location import Server
from teachmatters.store.reader import stream
from tests.postgres import Cluster
from tests.store.samples import DISTANCE, finish, numbers, rows, run, start, store_at


@pytest.fixture(scope="module")
def store(cluster: Cluster) -> Server:
    """Not to be written."""
    return store_at(cluster.new(), (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))


READING = [
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3) SELECT * FROM n",
    "SELECT r.model, j.key FROM runs r, json_each(r.versions::json) j",
    "SELECT count(*), max(value), string_agg(metric, ',') FROM all_results",
    "SELECT row_number() OVER (ORDER BY value) FROM results",
    "TABLE metrics",
    "VALUES (1), (2)",
    "(SELECT '%s %' || 1);  -- with an end",
]


@pytest.mark.parametrize("sql", READING)
def test_every_kind_of_reading_is_allowed(store: Server, sql: str) -> None:
    assert query(store, sql).rows


WRITING = [
    "DELETE FROM records",
    "COMMIT; DELETE FROM records",
    "ROLLBACK",
    "SET transaction_read_only = off",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "WITH gone AS (DELETE FROM records RETURNING 1) SELECT * FROM gone",
    "SELECT * FROM models FOR UPDATE",
    "SELECT nextval('models_id_seq')",
    "SELECT setval('models_id_seq', 7)",
    "SELECT query_to_xml('DELETE FROM records', true, true, '')",
    "SELECT lo_create(0)",
    "CREATE TEMP TABLE t (x int)",
    "COPY (SELECT 1) TO PROGRAM 'touch {folder}/evil'",
    "COPY records TO '{folder}/evil'",
    "DO $$ BEGIN DELETE FROM records; END $$",
    "CALL nothing()",
    "EXPLAIN ANALYZE DELETE FROM records",
    "DECLARE c CURSOR FOR SELECT 1",
    "VACUUM",
    "LISTEN x",
]


@pytest.mark.parametrize("sql", WRITING)
def test_other_statements_are_refused(store: Server, tmp_path: Path, sql: str) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(SqlError, match="a query may only read"):
        query(store, sql.format(folder=tmp_path))
    assert rows(store, "SELECT count(*) FROM records") == [(3,)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "SELEC 1",
            "may only read: one SELECT, without anything that writes or changes settings; this one begins with",
        ),
        ("SELECT * FROM nosuch", 'relation "nosuch" does not exist. The views are results, all_results, runs, maps'),
        ("SELECT colour FROM results", 'column "colour" does not exist'),
        ("SELECT 1; SELECT 2", "exactly one statement"),
        ("SELECT 1; COMMIT; DELETE FROM records", "exactly one statement"),
        ("", "there is no SQL"),
        ("/* nothing */ ; -- at all", "there is no SQL"),
        ("SELECT $1", "requires 1"),
        ("SELECT 1\0", "null character"),
        ("SELECT '\ud800'", "surrogates"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT 1 INTO x", "INTO is not allowed"),
    ],
)
def test_wrong_sql_is_a_one_line_error(store: Server, sql: str, words: str) -> None:
    with pytest.raises(SqlError) as caught:
        query(store, sql)
    assert words in str(caught.value)
    assert "DECLARE" not in str(caught.value)


def test_values_equal_those_of_sqlite(store: Server) -> None:
    sql = (
        "SELECT true, 1.5::numeric, 2::numeric, sum(layer), avg(layer), count(*), 0.1::float8, '\\x00ff'::bytea, 'é', "
        "'2026-01-01'::date, '[1]'::jsonb, NULL, -5::numeric, sum(seed::numeric + value::numeric) FROM results, runs"
    )
    ((*found,),) = query(store, sql).rows
    assert found == [1, 1.5, 2, 6, 2.0, 3, 0.1, b"\x00\xff", "é", "2026-01-01", "[1]", None, -5, 6]
    kinds = [int, float, int, int, float, int, float, bytes, str, str, str, type(None), int, int]
    assert [type(value) for value in found] == kinds


ENDLESS = "SELECT {} FROM generate_series(1, 1000000000000) AS n(x)"
SLEEPING = "SELECT pg_sleep(0.02), set_config('statement_timeout', '0', false), x FROM generate_series(1, 1000) AS n(x)"


@pytest.mark.parametrize("sql", [ENDLESS.format("count(*)"), "SELECT pg_sleep(100)", SLEEPING])
def test_an_endless_query_is_stopped(store: Server, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(TeachMattersError, match=r"stopped after 0\.3 seconds"):
        query(store, sql, timeout=0.3)
    assert time.monotonic() - started < 5


def test_a_stream_ends_at_its_timeout(store: Server) -> None:
    with stream(store, "SELECT generate_series(1, 1000000000000)", timeout=1) as found:
        walk = iter(found)
        assert next(walk) == (1,)
        with pytest.raises(TeachMattersError, match=r"stopped after 1 seconds"):
            for _ in walk:
                pass


def test_closing_a_stream_runs_no_command_that_could_time_out(store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with stream(store, "SELECT 1", timeout=60) as found:
        monkeypatch.setattr(psycopg.ServerCursor, "_close_gen", lambda _: pytest.fail("a command was sent"))
        assert list(found) == [(1,)]


def test_a_stream_can_be_repeated_on_one_snapshot(server: Server) -> None:
    store_at(server, (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))
    with stream(server, "SELECT layer FROM results ORDER BY layer", timeout=60) as found:
        assert (found.columns, list(found)) == (["layer"], [(1,), (2,), (3,)])
        store_at(server, (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))
        assert list(found) == [(1,), (2,), (3,)]
    assert len(query(server, "SELECT layer FROM results").rows) == 4


ENDLESS_READ = f"""
from teachmatters.store import query
print("begun", flush=True)
query(plain_path(sys.argv[1]), "{ENDLESS.format("count(*)")}", timeout=60)
"""


def test_ctrl_c_stops_it_on_the_server_too(store: Server, cluster: Cluster) -> None:
    process = start(ENDLESS_READ, store)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%'"
    while cluster.execute(running) == [(0,)]:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, error = finish(process)
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in error.splitlines()[-1]
    assert cluster.execute(running) == [(0,)]


def test_a_reader_with_a_read_only_role(store: Server, cluster: Cluster) -> None:
    """As the documentation advises: it may read the store, and no file of the server's."""
    schema = store.url.rpartition("%3D")[2]
    for sql in (
        "CREATE ROLE reader LOGIN",
        f"GRANT USAGE ON SCHEMA {schema} TO reader",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader",
    ):
        cluster.execute(sql, "lab")
    reader = Server(store.url.replace("owner@", "reader@"))
    assert len(query(reader, "SELECT * FROM results").rows) == 3
    with pytest.raises(TeachMattersError, match="permission denied for function pg_read_file"):
        query(reader, "SELECT pg_read_file('postgresql.conf')")
