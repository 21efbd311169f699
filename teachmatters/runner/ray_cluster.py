"""Finding a Ray cluster, or starting one on this machine; whatever is wrong with it is one line."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from teachmatters.errors import TeachMattersError
from teachmatters.registry.references import words

PATIENCE = 5.0  # seconds for a server to answer; Ray by itself takes two minutes
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4
"""What a client of HTTP/2, on which Ray's servers speak, says first, and the kind of frame that it is answered with."""

START = "start Ray there ('ray start --head'), or leave --address out to run on this machine alone"


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    id: str
    name: str
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What one task takes of a node."""

    cpus: int
    gpus: int

    def fit(self, node: Node) -> int:
        """How many tasks a node can run at once."""
        counts = [int(has // takes) for has, takes in ((node.cpus, self.cpus), (node.gpus, self.gpus)) if takes]
        return min(counts, default=0)


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """The nodes of a cluster, for as long as a command takes.

    Args:
        address: ``auto``, ``HOST:PORT``, or None for one that is started here and stopped afterwards.

    Raises:
        TeachMattersError: nobody is there, or it is no Ray that this one can join.
    """
    import ray

    if ray.is_initialized():  # a notebook's
        yield _nodes(ray)
        return
    where = "local" if address is None else _found(address)
    try:
        _join(ray, where)
        yield _nodes(ray)
    finally:
        ray.shutdown()


def _join(ray: Any, where: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what will be the default; else it is told
    alone = {"include_dashboard": False} if where == "local" else {}
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **alone)
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        said = " ".join(str(error).split())[:300]
        advice = (
            "see the logs in /tmp/ray" if alone else "every machine must have joined it, this one too, with one Ray"
        )
        raise TeachMattersError(f"Ray at {where} cannot be used: {said}; {advice}") from error


def _nodes(ray: Any) -> list[Node]:
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [
        Node(n["NodeID"], n["NodeManagerHostname"], n["Resources"].get("CPU", 0.0), n["Resources"].get("GPU", 0.0))
        for n in alive
    ]


def fetched(ref: Any, what: str) -> Any:
    """What a task brought back.

    Raises:
        TeachMattersError: its workers died, or something else went wrong with the cluster.
    """
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

    try:
        return ray.get(ref)
    except RayTaskError as error:
        said = words(error.cause) if error.cause is not None else " ".join(str(error).split())[-300:]
        raise TeachMattersError(f"a worker that was {what} failed: {said}") from error
    except OutOfMemoryError as error:
        advice = "try a smaller --batch-size, or start Ray with fewer CPUs on each machine"
        raise TeachMattersError(f"workers that were {what} ran out of memory; {advice}") from error
    except WorkerCrashedError as error:
        advice = "the logs lie in /tmp/ray/session_latest/logs on its machine"
        raise TeachMattersError(f"each worker that was {what} died, the last as well; {advice}") from error
    except RayError as error:
        said = " ".join(str(error).split())[:300]
        raise TeachMattersError(f"the cluster lost what was {what}: {said}; see 'ray status'") from error


# ---------------------------------------------------------------- is anybody there
def _found(address: str) -> str:
    """HOST:PORT of a Ray that answers.

    Raises:
        TeachMattersError: it is no address, or nobody answers there.
    """
    where = _running() if address == "auto" else address
    host, _, port = where.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or "/" in host:
        raise TeachMattersError(f"--address {address!r}: it must be auto or HOST:PORT, such as 10.0.0.5:6379")
    try:
        answers = _answers(host, int(port))
    except (OSError, OverflowError) as error:
        raise TeachMattersError(f"--address {address}: nobody answers at {where} ({_why(error)}); {START}") from error
    if not answers:
        raise TeachMattersError(f"--address {address}: what answers at {where} is no Ray; {START}")
    return where


def _running() -> str:
    """The address of the Ray that runs on this machine."""
    from ray._private import services

    try:
        return str(services.get_ray_address_from_environment("auto", None))
    except ConnectionError as error:
        raise TeachMattersError(f"--address auto: no Ray runs on this machine; {START}") from error


def _answers(host: str, port: int) -> bool:
    """Whether it is a server of HTTP/2."""
    with socket.create_connection((host, port), PATIENCE) as line:
        line.settimeout(PATIENCE)
        line.sendall(_GREETING)
        answer = line.recv(9)
    return len(answer) >= 4 and answer[3] == _SETTINGS


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
