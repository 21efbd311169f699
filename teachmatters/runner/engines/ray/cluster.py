"""Joining a Ray cluster, or starting one on this machine; whatever is wrong with it is one line."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from teachmatters.errors import TeachMattersError
from teachmatters.registry.references import words
from teachmatters.runner.engines.ray.address import admitted, found


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    id: str
    name: str
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class ShardResources:
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
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # else it prints among the numbers that a worker died
    import ray

    if ray.is_initialized():  # a notebook's
        if address is not None:
            raise TeachMattersError(
                f"--address {address}: this process has joined a Ray already; leave the address out to use that"
            )
        yield alive()
        return
    where = "local" if address is None else found(address)
    with nullcontext() if address is None else admitted(address, where):
        try:
            _join(ray, where)
            yield alive()
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


def alive() -> list[Node]:
    """The nodes that are there now."""
    import ray

    living = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [
        Node(n["NodeID"], n["NodeManagerHostname"], n["Resources"].get("CPU", 0.0), n["Resources"].get("GPU", 0.0))
        for n in living
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
