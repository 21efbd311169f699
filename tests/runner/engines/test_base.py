"""Tests of the contract between a session and its engine: started passes are cancelled before the engine stops."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from teachmatters.runner.engines import select
from teachmatters.runner.engines.base import PassOutcome, PlannedPass
from teachmatters.runner.engines.local import LocalEngine, LocalExecutor
from teachmatters.runner.requests import EngineRequest
from teachmatters.runner.session import analyze as analyze_module
from tests.runner.session.test_analyze import Runs, statuses

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an engine was asked for, in order."""
    events: list[str] = []
    whole = LocalExecutor.run

    def run(self: LocalExecutor, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        events.append("begun")
        try:
            yield from whole(self, passes)
        finally:
            events.append("called off")

    @contextmanager
    def engine_of(*_: object) -> Iterator[type[LocalEngine]]:
        try:
            yield LocalEngine
        finally:
            events.append("left")

    monkeypatch.setattr(LocalExecutor, "run", run)
    monkeypatch.setattr(analyze_module, "engine_of", engine_of)
    return events


def test_a_stored_exception_does_not_keep_passes_alive(
    happened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full before features are collected; the error is told when the engine is gone."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000, total=10**9))
    outcomes = Runs(tmp_path / "store.db")("mini-mae", "attn-distance knn", data=["scenes"], limit=8)
    assert sorted(statuses(outcomes)) == ["done", "failed"]
    assert "free some" in next(outcome.reason for outcome in outcomes if outcome.error)
    assert happened == ["begun", "called off", "left"]


def test_a_reused_cell_builds_no_network_and_starts_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path / "store.db")
    runs("mini-mae", "attn-distance", data=["scenes"], limit=2)
    monkeypatch.setattr(LocalExecutor, "__init__", None)
    monkeypatch.setattr(select, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "teachmatters.runner.engines.ray.engine", None)  # importing it fails
    for engine in ("local", "ray"):
        request = EngineRequest(name=engine)
        assert statuses(runs("mini-mae", "attn-distance", data=["scenes"], limit=2, engine=request)) == ["reused"]
