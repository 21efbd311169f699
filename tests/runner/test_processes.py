"""Real processes on one store: side by side, killed, and locked out."""

from __future__ import annotations

import contextlib
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


def start(store: Path, pictures: Path, model: str) -> subprocess.Popen[str]:
    words = ["-m", model, "--metric", "attn-distance", "--data", "folder", "--data-root", str(pictures), "-b", "1"]
    command = [sys.executable, "-m", "teachmatters", "analyze", *words, "--db", str(store)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def models_in(store: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return [name for (name,) in connection.execute("SELECT DISTINCT model FROM results ORDER BY 1")]


def made(store: Path) -> bool:
    """Whether a store stands, tables and all."""
    if not store.exists():
        return False
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'results'").fetchall())


def test_two_processes_record_into_one_store(tmp_path: Path, pictures: Path) -> None:
    store = tmp_path / "store.db"
    both = [start(store, pictures, model) for model in ("a=random-s32", "b=random-s32")]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert models_in(store) == ["a", "b"]


def test_killed_midway_nothing_is_there_and_the_same_command_finishes(tmp_path: Path, pictures: Path) -> None:
    store = tmp_path / "store.db"
    process = start(store, pictures, "random-s32")
    deadline = time.monotonic() + 60
    while not made(store) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # the store is made just before the pass: this is the middle of it
    process.kill()
    process.communicate()
    with contextlib.closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM all_results").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    again = start(store, pictures, "random-s32")
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert models_in(store) == ["random-s32"]
