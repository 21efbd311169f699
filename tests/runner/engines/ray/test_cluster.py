"""Tests of devices and requirements of cluster nodes. No Ray is started here."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from teachmatters import registry
from teachmatters.errors import TeachMattersError
from teachmatters.runner.engines.ray import node_probe, worker
from teachmatters.runner.engines.ray.cluster import Node, ShardResources
from teachmatters.runner.engines.ray.engine import _needs
from teachmatters.runner.engines.ray.messages import FOLDERS, SWITCHES, WorkerConfig, forwarded_environment
from teachmatters.runner.engines.ray.node_check import by_value, judge, required
from teachmatters.runner.engines.select import check_engine
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.requests import EngineRequest

CPUS = Node("1", "small", 8, 0)
GPUS = Node("2", "large", 32, 4)


# ---------------------------------------------------------------- what was asked for
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "rai"}, "unknown engine 'rai'. Did you mean 'ray'? Allowed: local, ray."),
        ({"address": "auto"}, "--address auto is for --engine ray; add that, or leave out --address"),
        ({"shards": 2}, "--shards 2 is for --engine ray; add that, or leave out --shards"),
        ({"name": "ray", "shards": 0}, "--shards 0: it must be at least 1"),
    ],
)
def test_invalid_engine_options_are_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        check_engine(EngineRequest(**asked))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.runner.engines.select.find_spec", lambda name: None)
    with pytest.raises(TeachMattersError, match=r"pip install 'teachmatters\[ray\]'"):
        check_engine(EngineRequest(name="ray"))


# ---------------------------------------------------------------- devices
def test_a_task_takes_a_gpu_where_there_is_one() -> None:
    assert _needs([CPUS, GPUS], "auto") == ("cuda", ShardResources(8, 1))
    assert _needs([GPUS, Node("3", "thin", 2, 2)], "cuda") == ("cuda", ShardResources(1, 1))
    assert _needs([Node("4", "vast", 256, 4)], "cuda") == ("cuda", ShardResources(16, 1))
    assert _needs([CPUS, GPUS], "cpu") == _needs([CPUS], "auto") == ("cpu", ShardResources(1, 0))
    with pytest.raises(TeachMattersError, match=r"no GPU in the cluster \(small\); try --device auto"):
        _needs([CPUS], "cuda")
    with pytest.raises(TeachMattersError, match="device 'mps' is not for --engine ray; allowed: auto, cpu, cuda"):
        _needs([CPUS], "mps")


def test_how_many_tasks_a_node_can_run_at_once() -> None:
    assert [ShardResources(1, 0).fit(node) for node in (CPUS, GPUS)] == [8, 32]
    assert [ShardResources(4, 1).fit(node) for node in (CPUS, GPUS)] == [0, 4]


# ---------------------------------------------------------------- what a worker is told
def test_a_worker_finds_weights_where_the_command_found_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*FOLDERS, *SWITCHES):
        monkeypatch.delenv(name, raising=False)
    assert forwarded_environment() == ()
    monkeypatch.setenv("TORCH_HOME", "weights")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert forwarded_environment() == (("TORCH_HOME", str(tmp_path / "weights")), ("HF_HUB_OFFLINE", "1"))


# ---------------------------------------------------------------- what a node must have
WANTED = {"teachmatters": "0.1.0", "torch": "2.14.1+cpu", "tm-mine": "3"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"versions": {}}, "lacks teachmatters, torch, tm-mine: install teachmatters==0.1.0 torch=="),
        ({"versions": WANTED | {"tm-mine": "2"}}, "has tm-mine 2, this machine 3: install tm-mine==3 there"),
        ({"versions": WANTED, "sees": False}, "does not see the cache /shared/db.cache: name a folder on a disk"),
        ({"versions": WANTED, "sees": True, "writes": "Permission denied"}, "cannot write to the cache /shared/db"),
    ],
)
def test_problems_of_a_node_are_named(answer: dict[str, object], message: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        judge("node-7", answer, WANTED, Path("/shared/db.cache"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("worker node-7 ")


def test_how_a_package_was_built_does_not_matter() -> None:
    there = WANTED | {"torch": "2.14.1+cu130"}
    judge("node-7", {"versions": there, "sees": True, "writes": ""}, WANTED, Path())


def test_a_node_with_only_ray_can_be_checked(tmp_path: Path) -> None:
    """The question travels whole: where it arrives, teachmatters cannot be imported."""
    import ray

    by_value(ray)
    (tmp_path / "token").touch()
    question = ray.cloudpickle.dumps((node_probe.probe_node, [*required(), "no-such-package"], str(tmp_path / "token")))  # type: ignore[no-untyped-call]
    (tmp_path / "question").write_bytes(question)
    code = (
        "import pickle, sys; sys.modules['teachmatters'] = None\n"
        "look, *arguments = pickle.load(open('question', 'rb'))\nprint(pickle.dumps(look(*arguments)).hex())"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = pickle.loads(bytes.fromhex(answer.stdout))
    assert (told["sees"], told["writes"], told["versions"]) == (True, "", required())
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["question", "token"]


@pytest.mark.usefixtures("toys")
def test_other_weights_on_a_worker_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)  # this process is no worker
    order = WorkerConfig(
        model=LabelledModel("mine", registry.load().models["toy-a"]), weights="0" * 64, device="cpu",
        dtype=torch.float32, seed=0, threads=1, folder=tmp_path / "gone", environment=(),
    )  # fmt: skip
    error = worker.open_model(order)
    assert isinstance(error, TeachMattersError)
    assert str(error).startswith("the weights of mine differ: ")
    assert str(error).endswith("put the same file on both, or on a shared disk")
