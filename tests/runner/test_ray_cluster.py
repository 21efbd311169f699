"""Which cluster: addresses, devices, and what a node must have. No Ray is started here."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from teachmatters import registry
from teachmatters.errors import TeachMattersError
from teachmatters.runner import ray_remote, ray_worker
from teachmatters.runner.engines import check_engine
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.ray_check import by_value, judge, required
from teachmatters.runner.ray_cluster import Needs, Node, _found
from teachmatters.runner.ray_engine import _needs
from teachmatters.runner.ray_job import Order
from teachmatters.runner.request import EngineRequest

CPUS = Node("1", "small", 8, 0)
GPUS = Node("2", "large", 32, 4)


# ---------------------------------------------------------------- what was asked for
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "rai"}, "unknown engine 'rai'. Did you mean 'ray'? Allowed: local, ray."),
        ({"address": "auto"}, "--address auto is for --engine ray; add that, or leave --address out"),
        ({"shards": 2}, "--shards 2 is for --engine ray; add that, or leave --shards out"),
        ({"name": "ray", "shards": 0}, "--shards 0: it must be at least 1"),
    ],
)
def test_what_cannot_be_asked_for(asked: dict[str, object], message: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        check_engine(EngineRequest(**asked))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.runner.engines.find_spec", lambda name: None)
    with pytest.raises(TeachMattersError, match=r"pip install 'teachmatters\[ray\]'"):
        check_engine(EngineRequest(name="ray"))


# ---------------------------------------------------------------- where
@pytest.fixture
def web_server() -> Iterator[str]:
    """Somebody who is no Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "ray://head:10001", "head:abc", "http://head:1"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(TeachMattersError, match=r"it must be auto or HOST:PORT, such as 10\.0\.0\.5:6379$"):
        _found(address)


def test_a_dead_address() -> None:
    with pytest.raises(TeachMattersError) as caught:
        _found("127.0.0.1:1")
    assert str(caught.value) == (
        "--address 127.0.0.1:1: nobody answers at 127.0.0.1:1 (Connection refused); start Ray there ('ray start "
        "--head'), or leave --address out to run on this machine alone"
    )
    with pytest.raises(TeachMattersError, match="nobody answers at no-such-host"):
        _found("no-such-host.invalid:6379")
    with pytest.raises(TeachMattersError, match="nobody answers at 127"):
        _found("127.0.0.1:99999")


def test_an_address_of_something_else(web_server: str) -> None:
    with pytest.raises(TeachMattersError, match=f"what answers at {web_server} is no Ray"):
        _found(web_server)


def test_auto_where_none_runs_or_the_last_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    services = "ray._private.services.find_gcs_addresses"
    monkeypatch.setattr(services, set)
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: None)
    with pytest.raises(TeachMattersError, match=r"^--address auto: no Ray runs on this machine; start Ray"):
        _found("auto")
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: "127.0.0.1:1")
    with pytest.raises(TeachMattersError, match=r"^--address auto: nobody answers at 127.0.0.1:1"):
        _found("auto")


# ---------------------------------------------------------------- devices
def test_a_task_takes_a_gpu_where_there_is_one() -> None:
    assert _needs([CPUS, GPUS], "auto") == ("cuda", Needs(8, 1))
    assert _needs([GPUS, Node("3", "thin", 2, 2)], "cuda") == ("cuda", Needs(1, 1))
    assert _needs([Node("4", "vast", 256, 4)], "cuda") == ("cuda", Needs(16, 1))
    assert _needs([CPUS, GPUS], "cpu") == _needs([CPUS], "auto") == ("cpu", Needs(1, 0))
    with pytest.raises(TeachMattersError, match=r"no GPU in the cluster \(small\); try --device auto"):
        _needs([CPUS], "cuda")
    with pytest.raises(TeachMattersError, match="device 'mps' is not for --engine ray; allowed: auto, cpu, cuda"):
        _needs([CPUS], "mps")


def test_how_many_tasks_a_node_can_run_at_once() -> None:
    assert [Needs(1, 0).fit(node) for node in (CPUS, GPUS)] == [8, 32]
    assert [Needs(4, 1).fit(node) for node in (CPUS, GPUS)] == [0, 4]


# ---------------------------------------------------------------- what a node must have
WANTED = {"teachmatters": "0.1.0", "torch": "2.14.1+cpu", "tm-mine": "3"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"versions": {}}, "lacks teachmatters, torch, tm-mine: install there teachmatters==0.1.0 torch=="),
        ({"versions": WANTED | {"tm-mine": "2"}}, "has tm-mine 2, and here it is 3: install there tm-mine==3"),
        ({"versions": WANTED, "sees": False}, "does not see the cache /shared/db.cache: name a folder on a disk"),
        ({"versions": WANTED, "sees": True, "writes": "Permission denied"}, "cannot write to the cache /shared/db"),
    ],
)
def test_what_is_wrong_with_a_node(answer: dict[str, object], message: str) -> None:
    with pytest.raises(TeachMattersError) as caught:
        judge("node-7", answer, WANTED, Path("/shared/db.cache"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("worker node-7 ")


def test_how_a_package_was_built_does_not_matter() -> None:
    there = WANTED | {"torch": "2.14.1+cu130"}
    judge("node-7", {"versions": there, "sees": True, "writes": ""}, WANTED, Path())


def test_a_node_that_has_nothing_can_be_asked(tmp_path: Path) -> None:
    """The question travels whole: where it arrives, teachmatters cannot be imported."""
    import ray

    by_value(ray)
    (tmp_path / "token").touch()
    question = ray.cloudpickle.dumps((ray_remote.look, [*required(), "no-such-package"], str(tmp_path / "token")))  # type: ignore[no-untyped-call]
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
    order = Order(
        model=LabelledModel("mine", registry.load().models["toy-a"]), weights="0" * 64, device="cpu",
        dtype=torch.float32, seed=0, threads=1, folder=tmp_path / "gone", environment=(),
    )  # fmt: skip
    error = ray_worker.open_model(order)
    assert isinstance(error, TeachMattersError)
    assert str(error).startswith("the weights of mine are others on ")
    assert str(error).endswith("put the same file on both, or on a disk that both share")
