"""Real processes on one store: side by side, killed, and interrupted."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(40):
        Image.effect_noise((40, 40), 60).convert("RGB").save(folder / f"{i:02d}.png")
    return folder


TELLING = """
import pathlib, sys
from teachmatters.cli.app import main
from teachmatters.runner.engine import Pass

forward, sign = Pass._forward, pathlib.Path(sys.argv.pop(1))

def telling(self):
    forward(self)
    sign.touch()

Pass._forward = telling
main()
"""
"""``tm``, with a sign that its first batch is through the model."""


class Started:
    """A real ``tm analyze`` in a process of its own."""

    def __init__(self, store: Path, pictures: Path, model: str) -> None:
        self.sign = store.with_name(f"{model.partition('=')[0]} begun")
        words = ["-m", model, "--metric", "attn-distance", "--data", "folder", "--data-root", str(pictures), "-b", "1"]
        command = [sys.executable, "-c", TELLING, str(self.sign), "analyze", *words, "--db", str(store)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def midway(self) -> None:
        """Return when the first of many pictures is done."""
        deadline = time.monotonic() + 120
        while not self.sign.exists():
            assert time.monotonic() < deadline
            assert self.process.poll() is None
            time.sleep(0.01)

    def ends(self) -> tuple[int, str]:
        """Its exit code and what it said."""
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said


def models_in(store: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return [name for (name,) in connection.execute("SELECT DISTINCT model FROM results ORDER BY 1")]


def test_two_processes_record_into_one_store(tmp_path: Path, pictures: Path) -> None:
    store = tmp_path / "store.db"
    for started in [Started(store, pictures, "a=random-s32"), Started(store, pictures, "b=random-s32")]:
        code, said = started.ends()
        assert code == 0, said
    assert models_in(store) == ["a", "b"]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_ended_midway_no_row_is_there_and_the_same_command_finishes(
    tmp_path: Path, pictures: Path, how: signal.Signals, code: int
) -> None:
    store = tmp_path / "store.db"
    assert Started(store, pictures, "other=random-s32").ends()[0] == 0
    before = store.read_bytes()
    started = Started(store, pictures, "random-s32")
    started.midway()
    started.process.send_signal(how)
    ended, said = started.ends()
    assert ended == code
    assert "Traceback" not in said
    assert store.read_bytes() == before
    assert Started(store, pictures, "random-s32").ends()[0] == 0
    assert models_in(store) == ["other", "random-s32"]
