"""Tests of killed commands: no partial run, and the same command ends with the same numbers."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.killing import die_at, ended, fork, forked
from tests.store.samples import finish, start

# The number of times each command is killed twice, with a fixed seed, and then run to the end.
ROUNDS = int(os.environ.get("TM_TEST_KILLS", "2").replace("all", "10"))

STUDY = """
models: [toy-a, toy-b]
data: toys
measure:
  - attn-distance
  - {metrics: [knn, attn-on-cls], limit: 5}
  - toy-pairs
  - metrics: knn
    params: {k: 1}
"""
ANALYZE = "analyze --data toys --batch-size 4"
COMMANDS = {
    "analyze": f"{ANALYZE} --model toy-a --model toy-b --metric attention --metric knn --metric toy-pairs",
    "study": "study study.yaml",
    "toy-a": f"{ANALYZE} --model toy-a --metric knn",
    "toy-b": f"{ANALYZE} --model toy-b --metric knn",
}
NUMBERS = (
    "SELECT model, other_model, dataset, setting, analysis, protocol, metric, layer, head, other_layer, category, "
    "value, std, n FROM results ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
)
RUN = 5  # columns that tell a run
FINER = 11  # columns that tell a number

Row = tuple[Any, ...]
PREPARE = """
import torch, timm, alembic.command
from teachmatters.registry import plugins
plugins.BUILT_IN = (*plugins.BUILT_IN, "tests.toys")
torch.set_num_threads(1)
from tests.runner import test_killed as module
os.chdir(sys.argv[1])
"""


def test_killed_interrupted_or_concurrent_commands_end_with_the_same_numbers(tmp_path: Path) -> None:
    """All in the forks of one process: to import torch takes longer than to run a command."""
    code = "\n".join(
        [PREPARE, "module.sweep('analyze')", "module.sweep('study')", "module.side_by_side()", "module.interrupt()"]
    )
    assert finish(start(code, tmp_path), 600) == (0, "")


def sweep(name: str) -> None:
    """Kill a command at one of its writes, and at any moment where it goes on, then let it end."""
    Path("study.yaml").write_text(STUDY)
    writes, seconds = _whole(name)
    whole = _numbers(Path(f"{name}.db"))
    draw = random.Random(name)
    for nth in range(ROUNDS):
        path = Path(f"{name}-{nth}.db")
        assert forked(partial(_killed_at, draw.randint(1, writes), name, path)) == -9
        _check_sound(path, whole)
        assert _killed_after(draw.uniform(0, seconds), name, path) in (-9, 0)  # less is left to do
        _check_sound(path, whole)
        assert forked(partial(_run, name, path)) == 0
        assert _numbers(path) == pytest.approx(whole, rel=1e-5, abs=1e-7, nan_ok=True), nth
        assert _count_runs(path) == _count_runs(Path(f"{name}.db")), "what was done before was not done again"


def side_by_side() -> None:
    """Two commands make one store, and at last all is there once."""
    path = Path("both.db")
    children = [fork(partial(_run, name, path)) for name in ("toy-a", "toy-b")]
    assert [ended(child) for child in children] == [0, 0]
    assert {key[0] for key in _numbers(path)} == {"toy-a", "toy-b"}
    assert _count_runs(path) == 2


def interrupt() -> None:
    """Ctrl-C after a forward pass."""
    from teachmatters.models.timm.vit import TimmViT

    original = TimmViT.stream

    def stream(*arguments: Any) -> None:
        original(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background processes ignore
    TimmViT.stream = stream  # type: ignore[method-assign, assignment]
    assert forked(partial(_run, "analyze", Path("r.db"), 130)) == 0
    assert not Path("r.db").exists()


def _run(name: str, path: Path, status: int = 0) -> None:
    """``tm``, in this process, and the exit status that it has to have."""
    from teachmatters.cli.app import main

    sys.argv = ["tm", *COMMANDS[name].split(), "--db", str(path)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code or 0) == status, said.getvalue()
    assert "Traceback" not in said.getvalue(), said.getvalue()


def _killed_at(nth: int, name: str, path: Path) -> None:
    die_at(nth)
    _run(name, path)


def _killed_after(seconds: float, name: str, path: Path) -> int:
    child = fork(partial(_run, name, path))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return ended(child)


def _whole(name: str) -> tuple[int, float]:
    """How often the command writes, and how long it takes."""
    _run(name, Path(f"{name}.db"))  # here, so that the forks have everything loaded

    def tell() -> None:
        writes = die_at(0)
        _run(name, Path(f"{name}-counted.db"))
        Path("writes").write_text(str(writes()))

    started = time.monotonic()
    assert forked(tell) == 0
    return int(Path("writes").read_text()), time.monotonic() - started


def _numbers(path: Path) -> dict[Row, Any]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(NUMBERS).fetchall()
    absent = float("nan")
    return {
        (*row[:FINER], what): absent if row[FINER + at] is None else row[FINER + at]
        for row in found
        for at, what in enumerate(("value", "std", "n"))
    }


def _count_runs(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    return count


def _check_sound(path: Path, whole: dict[Row, Any]) -> None:
    if not path.exists():
        return
    from teachmatters.errors import TeachMattersError
    from teachmatters.store import query

    try:
        found = query(path, NUMBERS).rows
    except TeachMattersError as error:
        if "is empty" in str(error):
            return
        raise
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    runs, complete = Counter(row[:RUN] for row in found), Counter(key[:RUN] for key in whole)
    assert all(3 * count == complete[run] for run, count in runs.items()), "half a run"
