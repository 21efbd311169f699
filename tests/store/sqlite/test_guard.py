"""Tests of untrusted SQL: it cannot write, escape the store, run code, or use all time or memory."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import query
from teachmatters.store.sqlite import guard
from teachmatters.store.sqlite.deadline import Deadline, hearing
from tests.store import hostile
from tests.store.samples import DISTANCE, beside, numbers, run, start, store_at

TIMEOUT = 0.05  # seconds
ANSWERED = """
import gc, json, time
from tests.store import hostile
from teachmatters.cli.app import app

def child(sql):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(error, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        app(["query", sql, "--db", sys.argv[1], "--timeout", sys.argv[2], "--format", "csv"])
    except SystemExit as end:
        os._exit(end.code)

error, found = sys.argv[1] + ".stderr", {}
from teachmatters import cli, registry
from teachmatters.cli.results import query
from teachmatters.store import location, reader
registry.load()  # once for all
gc.freeze()
for name, sql in hostile.GREEDY.items():
    if sys.argv[3:] and name not in sys.argv[3:]:
        continue
    began = time.monotonic()
    process = os.fork()
    if not process:
        child(sql.replace("{folder}", str(Path(sys.argv[1]).parent)))
    _, status, used = os.wait4(process, 0)
    said = Path(error).read_text()
    found[name] = os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_maxrss / 1024, said
os.unlink(error)
print(json.dumps(found))
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))


def answered(store: Path, *names: str) -> dict[str, tuple[int, float, float, str]]:
    """What the command does with statements: exit status, seconds, megabytes, standard error."""
    process = start(ANSWERED, store, TIMEOUT, *names)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    found: dict[str, tuple[int, float, float, str]] = json.loads(out)
    return found


def test_statements_obey_their_limits_of_time_and_memory(store: Path) -> None:
    """Each in a process of its own, as ``tm query`` runs it."""
    before = store.read_bytes()
    found = answered(store)
    assert found.keys() == hostile.GREEDY.keys()
    for _ in range(2):  # a machine may be busy with something else
        if slow := [name for name, (_, seconds, *_) in found.items() if seconds > TIMEOUT + 1]:
            found |= answered(store, *slow)
    for name, (code, seconds, megabytes, said) in found.items():
        assert (code, said.count("\n"), said[:7]) == (1, 1, "Error: "), (name, said)
        assert seconds < TIMEOUT + 1, (name, seconds)
        assert megabytes < 500, (name, megabytes)
    for name in (*hostile.ENDLESS, *hostile.UNSTOPPABLE):
        assert f"stopped after {TIMEOUT:g} seconds" in found[name][-1], (name, found[name])
    assert store.read_bytes() == before
    assert [path.name for path in store.parent.iterdir()] == ["r.db"]


def test_the_process_ends_although_a_function_still_runs(store: Path) -> None:
    sql = hostile.UNSTOPPABLE["a long needle"]
    command = [sys.executable, "-m", "teachmatters", "query", sql, "--db", str(store), "--timeout", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the query was stopped after 0.1 seconds")


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_statements_that_write_are_refused(store: Path, name: str) -> None:
    sql, words = hostile.REFUSED[name]
    before = store.read_bytes()
    with pytest.raises(TeachMattersError, match=words):
        query(store, sql.replace("{folder}", str(store.parent)))
    assert store.read_bytes() == before
    assert [path.name for path in store.parent.iterdir()] == ["r.db"]


def test_an_endless_step_is_abandoned(store: Path) -> None:
    began = time.monotonic()
    deadline = Deadline(0.1, lambda: None)
    with pytest.raises(TimeoutError):
        deadline.run(lambda: time.sleep(1.5))
    assert deadline.lost
    assert time.monotonic() - began < 1
    with pytest.raises(TimeoutError):
        deadline.run(lambda: 1)


def test_results_and_exceptions_of_a_step_are_passed_on() -> None:
    with closing(Deadline(60, lambda: None)) as deadline:
        assert deadline.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            deadline.run(lambda: 1 // 0)
        assert deadline.run(lambda: None) is None
        assert not deadline.lost


def test_ctrl_c_works_while_sqlite_is_busy() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # Importing Datasette turns these on for the whole process; the handler's exception would then also be a warning.
    sqlite3.enable_callback_tracebacks(False)
    before = signal.signal(signal.SIGALRM, interrupt)
    sqlite3.connect(":memory:").close()  # whatever the first connection loads does not take of the time below
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(KeyboardInterrupt), hearing(connection):
            connection.execute(hostile.COUNT + "SELECT count(*) FROM n WHERE i < 0")
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_number_of_kept_rows_is_bounded(store: Path) -> None:
    sql = hostile.COUNT + "SELECT randomblob(1000) FROM n"
    with pytest.raises(TeachMattersError, match=r"the first \d+ rows take more than 1 MB of memory"):
        query(store, sql, most=1_000_000)
    assert len(query(store, sql, most=1_000_000, limit=500).rows) == 500


def test_denied_operations_stay_denied_inside_schema_functions(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE VIEW mine AS SELECT fts3_tokenizer('simple') AS address")
    with pytest.raises(TeachMattersError, match="unsafe use of fts3_tokenizer"):
        query(store, "SELECT hex(address) FROM mine")


def test_listed_pragmas_are_allowed(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        denied = guard.harden(connection, pragmas={"table_info"})
        assert connection.execute("PRAGMA table_info(records)").fetchall()
        assert denied == []
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            connection.execute("PRAGMA user_version = 7")
        assert denied == ["user_version"]
    assert beside(store) == ["r.db"]
