"""Tests of a store whose writer was killed while SQLite copied its log: it is not reported as damaged."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import teachmatters
from teachmatters.store import Store, connect, info, query
from teachmatters.store.backend import backend_of
from teachmatters.store.migrate import migrate
from teachmatters.store.sqlite.compact import compact
from tests.store.merging import join
from tests.store.samples import DISTANCE, finish, numbers, rows, run, start, store_at

ROWS = 1500
LOG_HEADER, FRAME_HEADER, PAGE = 32, 24, 4096  # bytes, of SQLite's file format


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[bytes]]:
    """The log, and the file after each of the checkpoint's writes: page by page, as they come in the file."""
    path = store_at(tmp_path_factory.mktemp("made") / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))
    with closing(connect(path)) as open_all_along:  # so that no checkpoint comes
        open_all_along.execute("SELECT 1 FROM runs").fetchall()
        store_at(path, (run(DISTANCE, dataset="large"), numbers("attn-distance", *range(ROWS))))
        log, file = path.with_name("r.db-wal").read_bytes(), path.read_bytes()
    frames = range(LOG_HEADER, len(log), FRAME_HEADER + PAGE)
    pages = {struct.unpack_from(">I", log, at)[0]: log[at + FRAME_HEADER :][:PAGE] for at in frames}
    assert max(pages) * PAGE > len(file) + 5 * PAGE, "it makes the file longer"
    states, content = [file], bytearray(file)
    for number, page in sorted(pages.items()):
        start = (number - 1) * PAGE
        content += bytes(max(0, start - len(content)))
        for written in (page[: PAGE // 2], page):  # a disk that is full takes a part
            content[start : start + len(written)] = written
            states.append(bytes(content))
    return log, states


def _record(path: Path) -> None:
    with Store.open(path) as store:
        assert store.recorded(run(DISTANCE).cell) == {"attn-distance"}


USES: dict[str, Callable[[Path], object]] = {
    "query": lambda path: query(path, "SELECT count(*) FROM all_results"),
    "info": info,
    "notebook": teachmatters.open,
    "before work": lambda path: backend_of(path).check_writable(),
    "analyze": _record,
    "migrate": migrate,
    "compact": compact,
    "merge": lambda path: join(path.with_name("into.db"), path),
    "merge into": lambda path: join(path, store_at(path.with_name("other.db"))),
}
OFTEN = ("query", "info", "before work")  # the others open a store by the same means, and take longer


@pytest.mark.parametrize("use", USES)
def test_every_reader_finds_a_valid_store(moments: tuple[bytes, list[bytes]], tmp_path: Path, use: str) -> None:
    log, states = moments
    for number, state in enumerate(states if use in OFTEN else states[:: len(states) // 4]):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "r.db"
        path.write_bytes(state)
        path.with_name("r.db-wal").write_bytes(log)
        USES[use](path)
        assert query(path, "SELECT count(*) FROM all_results").rows == [(3 + ROWS,)]
        if use == "merge":
            assert rows(folder / "into.db", "SELECT count(*) FROM all_results") == [(3 + ROWS,)]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


FULL = """
import resource
path = Path(sys.argv[1])
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
with Store.open(path) as store:
    store.record(run(DISTANCE, dataset="large"), numbers("attn-distance", *range(500)))
"""


def test_a_full_disk_during_a_checkpoint_is_recovered_from(tmp_path: Path) -> None:
    path = store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))
    assert finish(start(FULL, path)) == (0, ""), "the run fits into the log"
    assert path.with_name("r.db-wal").stat().st_size > 0, "and not into the file"
    for use in OFTEN:
        USES[use](path)
    assert query(path, "SELECT count(*) FROM all_results").rows == [(503,)]
    store_at(path, (run(DISTANCE, dataset="more"), numbers("attn-distance", 1)))
    assert rows(path, "SELECT count(*) FROM all_results") == [(504,)]
