from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.reports import datasette_site
from teachmatters.reports.datasette_site import QUERIES
from tests.pages import DOCS, blocks
from tests.reports.stores import TOP1, model, record, typical, values
from tests.store.hostile import COUNT
from tests.store.samples import beside, rows


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return typical(tmp_path / "my store?.db")


class Server:
    """``tm browse`` as a person would start it."""

    def __init__(self, store: Path, *words: str) -> None:
        command = [sys.executable, "-m", "teachmatters", "browse", "--no-open", "--db", str(store), *words]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "error"}
        )
        assert self.process.stderr
        line = self.process.stderr.readline()
        found = re.fullmatch(
            rf"Browse {re.escape(str(store))} at (http://127\.0\.0\.1:\d+)/results   \(Ctrl-C stops\)\n", line
        )
        assert found, line
        self.address = found[1]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return json.loads(answer.read())

    def sql(self, text: str) -> Any:
        return self.get("/results.json?" + urllib.parse.urlencode({"sql": text, "_shape": "arrays"}))

    def stop(self, how: int) -> tuple[int, str]:
        self.process.send_signal(how)
        said = self.process.communicate(timeout=30)[1]
        return self.process.returncode, said


@pytest.fixture
def server(store: Path) -> Iterator[Server]:
    running = Server(store)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.communicate()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all who only ask."""
    running = Server(typical(tmp_path_factory.mktemp("browse") / "r.db"), "--host-name", "Notebook.example")
    yield running
    running.stop(signal.SIGINT)


def test_it_only_reads_and_leaves_no_files(store: Path, server: Server) -> None:
    before = store.read_bytes()
    front = server.get("/results.json")
    assert sorted(view["name"] for view in front["views"]) == ["all_results", "maps", "results", "runs"]
    assert all(table["hidden"] for table in front["tables"])
    assert {query["name"] for query in front["queries"]} == set(QUERIES)
    shown = server.get("/results/results.json?_shape=array&_size=max")
    assert len(shown) == len(rows(store, "SELECT 1 FROM results"))
    assert server.get("/results/best_layers.json?_shape=array")[0]["top1"] == 60.0
    for sql in (
        "DELETE FROM records",
        "ATTACH 'other.db' AS other",
        "CREATE TABLE t (x)",
        "PRAGMA journal_mode = DELETE",
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            server.sql(sql)
        assert caught.value.code == 400
        caught.value.close()
    assert server.stop(signal.SIGINT) == (130, "")
    assert store.read_bytes() == before
    assert beside(store) == [store.name]


@pytest.mark.parametrize(
    "sql",
    [
        "explain select 1",
        "explain query plan select * from results",
        "select fts3_tokenizer('zz', x'4141414141414141')",
        "select load_extension('x')",
        "select * from pragma_function_list()",
        "with x as (select 1) insert into models (id) select 99 from x",
        "select hex(zeroblob(134000000))",
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 100) select randomblob(9000000) from n",
    ],
)
def test_sql_keeps_to_the_guard_of_tm_query(shared: Server, sql: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        shared.sql(sql)
    assert caught.value.code == 400
    assert json.loads(caught.value.read())["ok"] is False
    caught.value.close()


@pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("notebook.example:9", 200), ("evil.example", 403)])
def test_it_answers_only_to_its_own_host_names(shared: Server, host: str, status: int) -> None:
    connection = http.client.HTTPConnection(shared.address.removeprefix("http://"), timeout=30)
    connection.request("GET", "/results.json", headers={"Host": host})
    assert connection.getresponse().status == status
    connection.close()


def test_a_query_that_does_not_stop_is_abandoned(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that works for about two seconds, where one of hours would be as deaf."""
    monkeypatch.setattr(datasette_site, "SECONDS", 0.1)
    given_up = threading.Event()
    site = datasette_site.Site(store, given_up.set)
    connection = site._connect()
    deaf = "SELECT instr(zeroblob(400000), zeroblob(200000) || x'01')"
    for sql, outcome in (("SELECT count(*) FROM results", False), (deaf, True)):
        connection.set_progress_handler(lambda: 0, 1000)
        with contextlib.suppress(sqlite3.OperationalError):  # it hears of it when it is over
            connection.execute(sql).fetchall()
        connection.set_progress_handler(None, 1000)
        assert given_up.is_set() == outcome
    site.close()


def test_a_slow_query_is_stopped_between_two_rows(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasette_site, "SECONDS", 0.1)
    site = datasette_site.Site(store, lambda: pytest.fail("it could be stopped"))
    connection = site._connect()
    connection.set_progress_handler(lambda: 0, 1000)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        connection.execute(COUNT + "SELECT count(randomblob(9000000)) FROM n")
    connection.set_progress_handler(None, 1000)
    site.close()


def test_new_numbers_are_visible(store: Path, server: Server) -> None:
    count = "SELECT count(*) FROM results"
    before = server.sql(count)["rows"][0][0]
    record(store, model("moco-s16"), TOP1, values(TOP1, [1.0, 2.0]))
    assert server.sql(count)["rows"][0][0] == before + 2
    assert server.stop(signal.SIGTERM) == (143, "")
    assert beside(store) == [store.name]


def browse(*words: object) -> Result:
    return CliRunner().invoke(app, ["browse", "--no-open", *map(str, words)])


def test_bad_input_is_a_one_line_error(store: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bad = [
            (["--db", store, "--port", 70000], "--port 70000 is out of range"),
            (["--db", store, "--port", port], f"--port {port}: Address already in use; name another"),
            (["--db", tmp_path / "none.db"], "there is no results store at"),
        ]
        for words, message in bad:
            result = browse(*words)
            assert (result.exit_code, result.stdout) == (1, "")
            assert message in result.stderr
            assert len(result.stderr.splitlines()) == 1
    assert beside(store) == [store.name]


def test_without_datasette_it_says_how_to_install_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasette.app", None)
    result = browse("--db", store)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: tm browse needs Datasette; pip install 'teachmatters[browse]'\n",
    )


def test_the_ready_queries_are_those_of_the_documentation() -> None:
    told = {block.text.strip() for block in blocks(DOCS / "reference/views.md", "sql")}
    assert {sql for _, sql in QUERIES.values()} <= told
