"""Tests of passes on Ray workers: the numbers are those of one process, whatever happens to a worker."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from teachmatters import registry
from teachmatters.api.progress import NoProgress
from teachmatters.errors import TeachMattersError
from teachmatters.measures.representation import clusters
from teachmatters.registry import plugins
from teachmatters.runner.engines.ray import watchdog
from teachmatters.runner.engines.ray.engine import RayEngine
from teachmatters.runner.engines.ray.executor import RayExecutor
from teachmatters.runner.requests import AnalyzeRequest, EngineRequest, Outcome
from teachmatters.runner.session.analyze import analyze

pytestmark = pytest.mark.xdist_group("ray")
ROOT = Path(__file__).parents[2]
NUMBERS = """
    SELECT model, other_model, dataset, analysis, setting, metric, protocol, layer, head, other_layer, category, n,
           value, std
    FROM results ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""
RUNS = "SELECT model, other_model, dataset, analysis, n_items, n_skipped, notes FROM runs ORDER BY 1, 2, 3, 4"
ALL = "attention artefacts attention-iou cka residual rank knn clustering toy-video toy-pairs toy-collected"


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """One Ray for all tests here: starting it takes seconds."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown()


def with_toys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clusters, "STARTS", 2)
    patch.setattr(plugins, "BUILT_IN", (*plugins.BUILT_IN, "tests.toys", "tests.ray_toys"))
    registry.load.cache_clear()


@pytest.fixture(autouse=True)
def troubles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with_toys(monkeypatch)
    monkeypatch.chdir(tmp_path)
    yield
    registry.load.cache_clear()


class Display(NoProgress):
    """Every bar: its label, its length, and how far it came."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, int, list[int]]] = []

    def begin(self, label: str, total: int) -> None:
        self.bars.append((label, total, []))

    def advance(self, count: int) -> None:
        self.bars[-1][2].append(count)


def measured(
    db: str, metrics: str, shards: int | None = None, progress: Any = None, **options: Any
) -> Sequence[Outcome]:
    """On workers if there are shards, else here."""
    asked: dict[str, Any] = {"models": ["toy-a"], "data": ["toys"], "batch_size": 4} | options
    engine = EngineRequest(name="ray", shards=shards) if shards else EngineRequest()
    return analyze(AnalyzeRequest(metrics=metrics.split(), db=Path(db), engine=engine, **asked), progress)


def rows(db: str, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(query).fetchall()


def assert_same_numbers(one: str, other: str) -> None:
    first, second = rows(one, NUMBERS), rows(other, NUMBERS)
    assert [row[:-2] for row in first] == [row[:-2] for row in second]
    assert first
    for row, twin in zip(first, second, strict=True):
        pairs = [pair for pair in zip(row[-2:], twin[-2:], strict=True) if pair != (None, None)]
        assert [two for _, two in pairs] == pytest.approx([one for one, _ in pairs], rel=1e-6, abs=1e-9), row
    assert rows(one, RUNS) == rows(other, RUNS)
    maps = "SELECT model, dataset, name, layer, length(data), units FROM maps ORDER BY 1, 2, 3, 4"
    assert rows(one, maps) == rows(other, maps)


def troubled(db: str, metrics: str, trouble: str, shards: int = 2, **options: Any) -> Sequence[Outcome]:
    return measured(db, metrics, shards, data=["troubled"], parameters=[f"trouble={trouble}"], **options)


def reasons(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {outcome.analysis: outcome.reason for outcome in outcomes}


# ---------------------------------------------------------------- the same numbers
@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with every analysis, measured by one process."""
    db = str(tmp_path_factory.mktemp("local") / "local.db")
    with pytest.MonkeyPatch.context() as patch:
        with_toys(patch)
        measure_everything(db)
    return db


def measure_everything(db: str, shards: int | None = None) -> None:
    for metrics, data in ((ALL, "toys"), ("retrieval keypoints video", "toy-tasks")):
        outcomes = measured(db, metrics, shards, models=["toy-a", "toy-b"], data=[data])
        assert {outcome.status for outcome in outcomes} == {"done"}, reasons(outcomes)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_every_analysis_has_the_numbers_of_one_process(everything: str, shards: int) -> None:
    measure_everything("ray.db", shards)
    assert_same_numbers(everything, "ray.db")


def test_bundled_images_have_the_numbers_of_one_process() -> None:
    scenes: dict[str, Any] = {"models": ["mini-mae"], "data": ["scenes"], "limit": 6, "parameters": ["train=24"]}
    for db, parts in (("local.db", None), ("ray.db", 2)):
        measured(db, "attn-distance knn-top1 segment-clustering", parts, **scenes)
    assert_same_numbers("local.db", "ray.db")


def test_unreadable_images_are_skipped_and_reported() -> None:
    for db, parts in (("local.db", None), ("ray.db", 3)):
        measured(db, "attention knn toy-video", parts, parameters=["bad=0,3,17"])
    assert_same_numbers("local.db", "ray.db")
    assert {row[-2] for row in rows("ray.db", RUNS)} == {3, 0}


def test_all_workers_share_one_progress_bar() -> None:
    display = Display()
    troubled("ray.db", "attn-distance knn", "slow", progress=display)
    ((label, total, steps),) = display.bars
    assert (label, total, sum(steps)) == ("toy-a on troubled", 21, 21)
    assert len(steps) > 2, "it moves before it is over"
    assert min(steps) >= 0


def test_features_of_one_command_are_reused_by_the_next() -> None:
    measured("ray.db", "knn-top1", 2)
    display = Display()
    measured("ray.db", "knn", 2, display)
    assert display.bars == []


# ---------------------------------------------------------------- trouble
def test_a_worker_killed_midway_changes_nothing(tmp_path: Path) -> None:
    for db, trouble in (("whole.db", ""), ("killed.db", "dies once")):
        troubled(db, "attention knn toy-pairs", trouble)
    assert (tmp_path / "mark").exists(), "a worker died"
    assert_same_numbers("whole.db", "killed.db")


def test_the_time_of_a_run_is_that_of_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pass was sent before anybody waited for it, and may be over by then."""
    import ray

    finished = RayExecutor._outcome

    def later(self: RayExecutor, begun: Any) -> Any:
        ray.wait(list(begun.refs), num_returns=len(begun.refs))
        time.sleep(2)
        return finished(self, begun)

    monkeypatch.setattr(RayExecutor, "_outcome", later)
    troubled("ray.db", "attn-distance", "")
    ((elapsed, seconds),) = rows("ray.db", "SELECT elapsed, seconds FROM runs")
    assert 0 < seconds < elapsed
    assert 2 < elapsed < 60


def test_a_pass_continues_without_progress_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was lost with its machine."""
    opened = RayEngine.open

    def uncounted(self: RayEngine, *arguments: Any) -> RayExecutor:
        import ray

        network = opened(self, *arguments)
        ray.kill(self.tasks.counter)
        return network

    monkeypatch.setattr(RayEngine, "open", uncounted)
    display = Display()
    troubled("ray.db", "attn-distance", "slow", progress=display)
    assert [(total, sum(steps)) for _, total, steps in display.bars] == [(21, 21)]


def test_images_that_kill_every_worker_are_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.runner.engines.ray.task_pool.RETRIES", 1)
    (outcome,) = troubled("ray.db", "attn-distance", "dies always")
    assert "every worker that was running toy-a on troubled died" in outcome.reason
    assert not Path("ray.db").exists()


def test_a_failing_analysis_does_not_affect_the_others() -> None:
    outcomes = {parts: measured(f"{parts}.db", "attention toy-breaking knn", parts) for parts in (None, 2)}
    assert reasons(outcomes[2]) == reasons(outcomes[None])
    assert reasons(outcomes[2])["toy-breaking"] == "ZeroDivisionError: by a frame"
    assert_same_numbers("None.db", "2.db")


def test_a_failing_model_is_reported_as_by_one_process() -> None:
    mine = [reasons(measured("x.db", "attention knn", parts, models=["toy-nan"])) for parts in (None, 2)]
    assert mine[0] == mine[1]
    assert "not finite" in mine[0]["knn"]
    assert not Path("x.db").exists()


def test_a_full_disk_on_a_worker_is_reported_and_the_rest_recorded() -> None:
    outcomes = reasons(troubled("ray.db", "attn-distance knn", "disk full"))
    assert "could not be written: [Errno 28] No space left on device. Free some disk space" in outcomes["knn"]
    assert outcomes["attention"] == ""
    assert {row[3] for row in rows("ray.db", RUNS)} == {"attention"}
    assert reasons(troubled("ray.db", "knn", ""))["knn"] == ""


def test_a_data_set_missing_on_a_worker_is_not_a_bad_image() -> None:
    (outcome,) = troubled("ray.db", "attn-distance", "sees no files")
    assert "cannot read image 12 (FileNotFoundError" in outcome.reason
    assert "put the data set where every worker sees it" in outcome.reason
    assert not Path("ray.db").exists()


def test_a_data_set_that_cannot_be_sent_is_reported() -> None:
    (outcome,) = troubled("ray.db", "attn-distance", "cannot be sent")
    assert outcome.reason.startswith("the data set troubled cannot be sent to workers (TypeError: cannot pickle")


def test_features_of_a_stopped_command_are_reused() -> None:
    class Stopping(Display):
        def advance(self, count: int) -> None:
            super().advance(count)
            if sum(self.bars[-1][2]) > 8:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        troubled("ray.db", "knn", "slow", progress=Stopping())
    display = Display()
    troubled("ray.db", "knn", "", progress=display)
    assert sum(total for _, total, _ in display.bars) < 21
    measured("local.db", "knn", data=["troubled"])
    assert_same_numbers("local.db", "ray.db")


def test_an_address_is_refused_when_ray_is_already_joined() -> None:
    request = AnalyzeRequest(
        models=["toy-a"], metrics=["knn"], db=Path("x.db"), data=["toys"],
        engine=EngineRequest(name="ray", address="10.0.0.5:6379"),
    )  # fmt: skip
    with pytest.raises(TeachMattersError, match="this process has already joined a Ray cluster; leave out"):
        analyze(request)


def test_a_device_that_no_worker_has() -> None:
    with pytest.raises(TeachMattersError, match="device 'cuda' is not available: no GPU in the cluster"):
        measured("x.db", "knn", 2, device="cuda")
    assert not list(Path().iterdir()), "nothing is left behind"


# Last, because a worker that is cancelled while it imports PyTorch cannot be used by the tests that follow.
@pytest.mark.parametrize("moment", ["while the model is built", "in a pass"])
def test_a_command_ends_when_no_machine_is_left(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    import ray

    hog = ray.remote(num_cpus=2)(lambda: time.sleep(2)).remote() if moment != "in a pass" else None
    opened = RayEngine.open

    def deserted(self: RayEngine, *arguments: Any) -> RayExecutor:
        network = opened(self, *arguments)
        monkeypatch.setattr(watchdog, "alive", list)
        return network

    monkeypatch.setattr(watchdog, "EVERY", 0)
    if hog is None:
        monkeypatch.setattr(RayEngine, "open", deserted)
    else:
        monkeypatch.setattr(watchdog, "alive", list)
    (outcome,) = troubled("ray.db", "attn-distance", "slow")
    assert "no machine in the cluster" in outcome.reason
    assert not Path("ray.db").exists()
