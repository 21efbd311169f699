"""The bundled study, cut down: killed three times at random moments, it ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pages import DOCS
from tests.runner.test_study import Studies

KILLED = """
import os, signal, sys
import timm, torch
from teachmatters.cli.app import main
from teachmatters.runner.engine import Pass
from teachmatters.runner.halves import Halves
from teachmatters.runner import forecast, study_names, study_run
from teachmatters.store import Store

def watch(owner, name, before):
    original = getattr(owner, name)

    def step(*arguments):
        before and count()
        answer = original(*arguments)
        before or count()
        return answer

    setattr(owner, name, step)

def count():
    global left
    left -= 1
    left or os.kill(os.getpid(), signal.SIGKILL)

for owner, name, before in (Pass, "_forward", 0), (Store, "record", 1), (Store, "record", 0), (Halves, "keep", 0):
    watch(owner, name, before)
for left in map(int, sys.argv.pop(1).split(",")):
    if (child := os.fork()) == 0:
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""``tm`` one time after the other, in processes of their own that are killed after so many steps: forward passes, and
runs and states that are about to be kept or were."""

STEPS = 60  # of the whole study, at least
SMALL = "limit: 4\nbatch_size: 2\ndevice: cpu\nparams: {train: 8, val: 8, clusters: 2, cka_batch: 4, k: [1, 3]}\n"


@pytest.fixture(scope="module")
def text() -> str:
    """docs/studies/mini.yaml with two of its models and few pictures, and without the long galleries and films."""
    whole = (DOCS / "studies" / "mini.yaml").read_text("utf-8")
    assert "models: mini-*\n" in whole
    assert "[how, what, why]" in whole
    return SMALL + whole.replace("mini-*", "[mini-mae, mini-random]").replace("why]", "knn, keypoints]")


def killed(study: Studies, steps: Sequence[int]) -> list[int]:
    """The exit codes of the study, each time killed at a step."""
    words = ["study", str(study.folder / "study.yaml"), "--db", str(study.path)]
    command = [sys.executable, "-c", KILLED, ",".join(map(str, steps)), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return [int(line) for line in ended.stdout.splitlines() if line.lstrip("-").isdigit()]


def test_killed_three_times_it_equals_the_uninterrupted_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, parts = Studies(tmp_path / "whole"), Studies(tmp_path / "parts")
    outcomes = whole(text)
    assert {outcome.status for outcome in outcomes} == {"done"}, [o.reason for o in outcomes if o.reason]
    (parts.folder / "study.yaml").write_text(text, encoding="utf-8")
    draw = random.Random(9)
    moments = [draw.randrange(1, STEPS // 3) for _ in range(3)]
    assert killed(parts, moments) == [-signal.SIGKILL] * 3
    ended = parts(text)
    assert [(o.model, o.other, o.analysis, o.dataset) for o in ended if o.status == "reused"], "something had been done"
    assert {outcome.status for outcome in ended} == {"done", "reused"}
    one, other = whole.rows(), parts.rows()
    assert [row[:11] for row in one] == [row[:11] for row in other]
    for (*key, value, std, n), (*_, value2, std2, n2) in zip(one, other, strict=True):
        assert value2 == pytest.approx(value, rel=1e-5, abs=1e-7), key
        assert std2 == (None if std is None else pytest.approx(std, rel=1e-4, abs=1e-7)), key
        assert n == n2, key
