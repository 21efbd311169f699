"""Tests of waiting for workers that may never come. No Ray is started here."""

from __future__ import annotations

import time

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.runner.engines.ray import watchdog
from teachmatters.runner.engines.ray.cluster import Node, ShardResources
from teachmatters.runner.engines.ray.watchdog import Watchdog


class Waiting:
    """A watch, a clock, and the machines that are left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, needs: ShardResources) -> None:
        self.now, self.nodes, self.said = 0.0, [Node("1", "small", 2, 0)], list[str]()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(watchdog, "alive", lambda: self.nodes)
        self.watch = Watchdog(needs, self.said.append)

    def __call__(self, seconds: int, state: object) -> None:
        for _ in range(seconds):
            self.now += 1
            self.watch.check(state)


def test_each_standstill_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(monkeypatch, ShardResources(1, 0))
    waiting(29, "a")
    assert waiting.said == []
    waiting(60, "a")
    assert waiting.said == [
        "no progress on the cluster for 34 s: either a batch takes that long, or other jobs occupy all CPUs "
        "(see 'ray status')"
    ]
    waiting(20, "b")
    assert len(waiting.said) == 1
    waiting(20, "b")
    assert len(waiting.said) == 2


def test_when_no_machine_is_left_the_command_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting(monkeypatch, ShardResources(1, 0))
    waiting(10, 0)
    waiting.nodes = []
    with pytest.raises(TeachMattersError, match=r"^no machine in the cluster can continue; see 'ray"):
        waiting(10, 1)


def test_tasks_that_need_a_gpu_do_not_run_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeachMattersError, match="no machine in the cluster"):
        Waiting(monkeypatch, ShardResources(1, 1))(10, 0)
