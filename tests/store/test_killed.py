"""Tests of a command killed at any write: a valid store with the whole run or nothing of it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, connect
from teachmatters.store.sqlite.compact import compact
from tests.killing import die_at, forked
from tests.store.merging import join, study
from tests.store.samples import DISTANCE, beside, finish, model, numbers, run, start, store_at

# The number of writes tried for each command, drawn with a fixed seed; ``all`` takes a minute.
KILLS = os.environ.get("TM_TEST_KILLS", "8")

Work = Callable[[Path], object]


def _record(path: Path) -> None:
    one = run(DISTANCE, of=model("mae-b16"), run_id="new")
    with Store.open(path) as store:
        if not store.recorded(one.cell):
            store.record(one, numbers("attn-distance", *range(300)))


def _merge(path: Path) -> None:
    join(path, path.parents[1] / "other.db")


COMMANDS: dict[str, tuple[Work, str]] = {  # what is done, and to what
    "record": (_record, "wal"),
    "record into a new store": (_record, ""),
    "merge": (_merge, "wal"),
    "merge into a store without a log": (_merge, "delete"),
    "merge into a new store": (_merge, ""),
    "compact": (compact, "wal"),
}


def test_killed_at_any_write(tmp_path: Path) -> None:
    # Forks are made of a process that has no threads, and has loaded everything.
    code = "import alembic.command\nfrom tests.store.test_killed import sweep\nsweep(Path(sys.argv[1]))\n"
    assert finish(start(code, tmp_path), 600) == (0, "")


def sweep(folder: Path) -> None:
    """Kill each command at one write after another, each time on a store as it was before."""
    store_at(folder / "other.db", *study()[:3])
    for name, (work, mode) in COMMANDS.items():
        (folder / "before.db").unlink(missing_ok=True)
        if mode:
            store_at(folder / "before.db", (run(DISTANCE), numbers("attn-distance", 1, 2, 3)))
            with closing(sqlite3.connect(folder / "before.db")) as connection:
                connection.execute(f"PRAGMA journal_mode = {mode}")
        tried = _sweep(folder, name, work)
        print(f"{name}: killed at {tried} writes")  # noqa: T201


def _sweep(folder: Path, name: str, work: Work) -> int:
    path = _afresh(folder)
    whole = [_content(path)]
    if not path.exists():
        whole.append(_content(store_at(path)))  # a store without a run yet
        _afresh(folder)
    writes = _writes(work, path)
    after = _content(path)
    draw = random.Random(name)
    nths = range(1, writes + 1) if KILLS == "all" else draw.sample(range(1, writes + 1), int(KILLS))
    for nth in nths:
        _afresh(folder)
        at = f"{name}, write {nth} of {writes}"
        killed = forked(partial(_killed, work, path, nth, draw.random() < 0.5))
        assert killed == -9, f"{at}: {killed}"
        assert _content(path) in [*whole, after], f"{at}: half a run"
        work(path)
        assert _content(path) == after, f"{at}: the same command does not go on"
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], at
        assert beside(path) == ["r.db"], at
    return len(nths)


def _afresh(folder: Path) -> Path:
    shutil.rmtree(folder / "work", ignore_errors=True)
    (folder / "work").mkdir()
    if (folder / "before.db").exists():
        shutil.copy(folder / "before.db", folder / "work" / "r.db")
    return folder / "work" / "r.db"


def _killed(work: Work, path: Path, nth: int, torn: bool) -> None:
    die_at(nth, torn=torn)
    work(path)


def _writes(work: Work, path: Path) -> int:
    """How often it writes: done once, in a process of its own."""
    told = path.with_name("told")

    def tell() -> None:
        writes = die_at(0)
        work(path)
        told.write_text(str(writes()))

    assert forked(tell) == 0
    return int(told.read_text())


def _content(path: Path) -> list[str]:
    """All of it, as a reader finds it; nothing where there is no store yet."""
    if not path.exists():
        return []
    try:
        with closing(connect(path)) as connection:
            return list(connection.iterdump())
    except TeachMattersError as error:
        if "is empty" in str(error):
            return []
        raise
