"""Joins a Ray cluster, or starts one on this machine; every problem becomes a one-line error."""

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
    """The CPUs and GPUs that one task occupies."""

    cpus: int
    gpus: int

    def fit(self, node: Node) -> int:
        """Return the number of tasks that a node can run at once."""
        counts = [int(has // takes) for has, takes in ((node.cpus, self.cpus), (node.gpus, self.gpus)) if takes]
        return min(counts, default=0)


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """Connect to a cluster for the duration of a command, and provide its nodes.

    Args:
        address: ``auto``, ``HOST:PORT``, or None to start a cluster here and stop it afterwards.

    Raises:
        TeachMattersError: no Ray answers there, or this process cannot join it.
    """
    # Otherwise Ray prints among the command's output that a worker died.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    import ray

    if ray.is_initialized():  # for instance by a notebook
        if address is not None:
            raise TeachMattersError(
                f"--address {address}: this process has already joined a Ray cluster; leave out --address to use it"
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
    # The future default of Ray, which warns about the change unless it is set.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    alone = {"include_dashboard": False} if where == "local" else {}
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **alone)
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        reason = " ".join(str(error).split())[:300]
        advice = (
            "see the logs in /tmp/ray"
            if alone
            else "all machines, this one too, must join it with the same Ray version"
        )
        raise TeachMattersError(f"Ray at {where} cannot be used: {reason}; {advice}") from error


def alive() -> list[Node]:
    """Return the nodes that are alive now."""
    import ray

    living = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [
        Node(n["NodeID"], n["NodeManagerHostname"], n["Resources"].get("CPU", 0.0), n["Resources"].get("GPU", 0.0))
        for n in living
    ]


def fetched(ref: Any, what: str) -> Any:
    """Return the result of a task.

    Args:
        ref: reference to the result.
        what: what the worker was doing, for messages.

    Raises:
        TeachMattersError: the task failed, its workers died, or the cluster lost it.
    """
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

    try:
        return ray.get(ref)
    except RayTaskError as error:
        reason = words(error.cause) if error.cause is not None else " ".join(str(error).split())[-300:]
        raise TeachMattersError(f"a worker that was {what} failed: {reason}") from error
    except OutOfMemoryError as error:
        advice = "try a smaller --batch-size, or start Ray with fewer CPUs on each machine"
        raise TeachMattersError(f"workers that were {what} ran out of memory; {advice}") from error
    except WorkerCrashedError as error:
        advice = "the logs are in /tmp/ray/session_latest/logs on its machine"
        raise TeachMattersError(f"every worker that was {what} died; {advice}") from error
    except RayError as error:
        reason = " ".join(str(error).split())[:300]
        raise TeachMattersError(f"the cluster lost a task that was {what}: {reason}; see 'ray status'") from error
