from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, connect, query
from teachmatters.store.reader import stream
from teachmatters.store.sqlite import read_connection
from tests.store.samples import DISTANCE, beside, finish, numbers, rows, run, start, store_at


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))


def test_a_query_gives_columns_and_rows(store: Path) -> None:
    found = query(store, "SELECT layer, value AS v FROM results ORDER BY layer")
    assert (found.columns, found.rows, found.truncated) == (["layer", "v"], [(1, 1.0), (2, 2.0), (3, 3.0)], False)


@pytest.mark.parametrize(
    ("limit", "shown", "truncated"), [(2, 2, True), (3, 3, False), (4, 3, False), (None, 3, False)]
)
def test_the_limit(store: Path, limit: int | None, shown: int, truncated: bool) -> None:
    found = query(store, "SELECT layer FROM results", limit=limit)
    assert (len(found.rows), found.truncated) == (shown, truncated)


READING = [
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3) SELECT * FROM n",
    "SELECT value FROM json_each('[1,2]')",
    "SELECT r.model, j.key FROM runs r, json_each(r.versions) j",
    "SELECT count(*), max(value), group_concat(metric) FROM all_results",
    "SELECT row_number() OVER (ORDER BY value) FROM results",
    "SELECT title FROM metrics",
    "VALUES (1), (2)",
    "SELECT 1;  -- with an end",
]


@pytest.mark.parametrize("sql", READING)
def test_every_kind_of_reading_is_allowed(store: Path, sql: str) -> None:
    assert query(store, sql).rows


MORE = """
with Store.open(Path(sys.argv[1])) as store:
    store.record(run(DISTANCE, of=model("another")), numbers("attn-distance", 4))
"""


def test_opening_a_store_again_does_not_release_the_lock_of_a_reader(store: Path) -> None:
    """Else a writer elsewhere believes itself alone, takes the journals away, and the reader never sees its numbers."""
    count = "SELECT count(*) FROM results"
    with closing(connect(store)) as reading:
        assert reading.execute(count).fetchone() == (3,)
        connect(store).close()
        assert finish(start(MORE, store)) == (0, "")
        assert reading.execute(count).fetchone() == (4,)


WRITING = [
    "DELETE FROM records",
    "INSERT INTO models VALUES (9, '', '', '', '', '', 1, 1, 1, 1)",
    "UPDATE recorded SET is_newest = 0",
    "DROP VIEW results",
    "CREATE TABLE t (x)",
    "CREATE TEMP TABLE t (x)",
    "ATTACH '{folder}/other.db' AS other",
    "VACUUM INTO '{folder}/other.db'",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version",
    "BEGIN",
    "REINDEX",
    "ANALYZE",
    "SELECT load_extension('x')",
]


@pytest.mark.parametrize("sql", WRITING)
def test_other_statements_are_refused(store: Path, sql: str) -> None:
    before = store.read_bytes()
    with pytest.raises(TeachMattersError, match="a query may only read"):
        query(store, sql.format(folder=store.parent))
    assert store.read_bytes() == before
    assert beside(store) == ["r.db"]
    assert not (store.parent / "other.db").exists()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", 'near "SELEC": syntax error. The views are results, all_results, runs, maps'),
        ("SELECT * FROM nosuch", "no such table: nosuch. The views are results, all_results, runs, maps"),
        ("SELECT colour FROM results", "no such column: colour"),
        ("SELECT 1; SELECT 2", "exactly one statement"),
        ("", "there is no SQL"),
        ("-- nothing", "there is no SQL"),
        ("SELECT ?", "bindings"),
        ("SELECT 1\0", "null character"),
        ("SELECT '\ud800'", "surrogates"),
        ("SELECT '\0'", "null character"),
        ("SELECT CAST(x'ff' AS TEXT)", "decode"),
        ("SELECT zeroblob(1000000000)", "too big"),
        ("SELECT abs(-9223372036854775808)", "overflow"),
    ],
)
def test_wrong_sql_is_a_one_line_error(store: Path, sql: str, words: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        query(store, sql)
    assert words in str(caught.value)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"


@pytest.mark.parametrize("sql", [ENDLESS.format("count(*)"), ENDLESS.format("x") + " WHERE x < 0"])
def test_an_endless_query_is_stopped(store: Path, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(TeachMattersError, match=r"stopped after 0\.2 seconds"):
        query(store, sql, timeout=0.2)
    assert time.monotonic() - started < 3


ENDLESS_READ = f"""
from teachmatters.store import query
print("begun", flush=True)
query(Path(sys.argv[1]), "{ENDLESS.format("count(*)")}", timeout=60)
"""


def test_ctrl_c_is_not_a_timeout(store: Path) -> None:
    process = start(ENDLESS_READ, store)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    code, error = finish(process)
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in error.splitlines()[-1]
    assert "stopped after" not in error


def test_a_stream_can_be_repeated_on_one_snapshot(store: Path) -> None:
    with stream(store, "SELECT layer FROM results ORDER BY layer", timeout=9) as found:
        assert found.columns == ["layer"]
        assert list(found) == [(1,), (2,), (3,)]
        store_at(store, (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))
        assert list(found) == [(1,), (2,), (3,)]
    assert len(query(store, "SELECT layer FROM results").rows) == 4


def test_a_stream_does_not_read_ahead(store: Path) -> None:
    with stream(store, ENDLESS.format("x"), timeout=60) as found:
        rows = iter(found)
        assert [next(rows), next(rows)] == [(1,), (2,)]
    assert beside(store) == ["r.db"]


def test_a_stream_ends_at_its_timeout(store: Path) -> None:
    with (
        stream(store, ENDLESS.format("x"), timeout=0.2) as found,
        pytest.raises(TeachMattersError, match=r"stopped after 0\.2 seconds"),
    ):
        for _row in found:
            pass


def test_a_timeout_of_zero_is_refused(store: Path) -> None:
    with pytest.raises(TeachMattersError, match="more than 0"):
        query(store, "SELECT 1", timeout=0)


def _with_journal(path: Path, mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_reading_leaves_nothing_behind_and_changes_nothing(store: Path, mode: str) -> None:
    _with_journal(store, mode)
    before, stamp = store.read_bytes(), store.stat().st_mtime_ns
    with closing(connect(store)) as first, closing(connect(store)) as second:
        assert first.execute("SELECT count(*) FROM results").fetchone() == (3,)
        assert second.execute("SELECT count(*) FROM results").fetchone() == (3,)
    assert beside(store) == ["r.db"]
    assert (store.read_bytes(), store.stat().st_mtime_ns) == (before, stamp)


def test_a_reader_that_outlives_a_writer_leaves_nothing_behind(store: Path) -> None:
    with closing(connect(store)) as connection:
        connection.execute("SELECT 1 FROM results").fetchall()
        store_at(store, (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (4,)


@pytest.mark.parametrize("bits", [0o644, 0o444])
def test_the_log_of_a_killed_writer_is_read_and_not_changed(store: Path, bits: int) -> None:
    kept = {name: (store.parent / name).read_bytes() for name in _unfinished(store)}
    store.chmod(bits)
    with closing(connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM models").fetchone() == (2,)
    for name, content in kept.items():
        assert (store.parent / name).read_bytes() == content


def _unfinished(store: Path) -> tuple[str, str]:
    """A store whose last commit is still in its log, as a kill leaves it."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO models SELECT id + 1, 'x', weights, '', '', '', 1, 1, 1, 1 FROM models")
        connection.commit()
        names = ("r.db", "r.db-wal")
        contents = [(store.parent / name).read_bytes() for name in names]
    for name, content in zip(names, contents, strict=True):
        (store.parent / name).write_bytes(content)
    return names


def test_a_reader_during_a_write_sees_committed_rows(store: Path) -> None:
    with Store.open(store) as writing:
        from sqlalchemy import text

        with writing._engine.begin() as transaction:
            transaction.execute(text("DELETE FROM records"))
            assert len(query(store, "SELECT 1 FROM results").rows) == 3
        assert len(query(store, "SELECT 1 FROM results").rows) == 0


def test_a_query_sees_one_snapshot(store: Path) -> None:
    with closing(connect(store)) as connection:
        connection.execute("BEGIN")
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (3,)
        store_at(store, (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (3,)


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_in_a_read_only_folder_can_be_read(store: Path, mode: str, what: str) -> None:
    _with_journal(store, mode)
    marked = store if what == "file" else store.parent
    before = marked.stat().st_mode
    marked.chmod(0o444 if what == "file" else 0o555)
    try:
        assert len(query(store, "SELECT 1 FROM results").rows) == 3
        assert "immutable" in read_connection._mode(store)
        assert beside(store) == ["r.db"]
    finally:
        marked.chmod(before)


def test_a_link_is_followed(store: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "l.db"
    link.symlink_to(store)
    assert len(query(link, "SELECT 1 FROM results").rows) == 3
    store_at(link, (run(DISTANCE, dataset="x"), numbers("attn-distance", 1)))
    assert len(query(link, "SELECT 1 FROM results").rows) == 4
    assert (beside(store), beside(link)) == (["r.db"], ["l.db"])


def test_the_connection_cannot_write(store: Path) -> None:
    with closing(connect(store)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM records")


def test_the_sqlite3_program_reads_it(store: Path) -> None:
    assert rows(store, "SELECT model, layer, head, metric, value FROM results LIMIT 1") == [
        ("dino-b16", 1, None, "attn-distance", 1.0)
    ]


def test_reading_creates_no_file(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="no results store at"):
        query(tmp_path / "none.db", "SELECT 1")
    assert list(tmp_path.iterdir()) == []
