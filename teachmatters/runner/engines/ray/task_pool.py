"""The Ray tasks of one command: submitted, watched and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from teachmatters.runner.engines.ray import node_probe
from teachmatters.runner.engines.ray.cluster import ShardResources, fetched
from teachmatters.runner.engines.ray.watchdog import Watchdog

RETRIES = 3  # how often Ray repeats a task whose worker died
GRACE = 15.0  # seconds for cancelled workers to write the features that they hold
POLL = 0.25  # seconds


class TaskPool:
    """The tasks of one command on a cluster.

    Args:
        resources: the resources of one task.
        shards: number of tasks that may run at once.

    Attributes:
        counter: the actor that counts the images each shard has done.
    """

    def __init__(self, resources: ShardResources, shards: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.resources, self.shards = resources, shards
        # The counter runs on this machine, because the other machines may die.
        here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=True)
        counter = ray.remote(node_probe.ShardCounter).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
        self.counter: Any = counter.remote()
        self.running: list[Any] = []
        self.watchdog: Watchdog | None = None

    def submit(self, function: Any, *arguments: Any) -> Any:
        """Submit a task, which Ray repeats if its worker dies, and return its reference."""
        import ray

        resources = {
            "num_cpus": self.resources.cpus,
            "num_gpus": self.resources.gpus,
            "max_retries": RETRIES,
        }
        self.running.append(ray.remote(function).options(**resources).remote(*arguments))
        return self.running[-1]

    def watch(self, say: Callable[[str], None]) -> None:
        """Start watching the cluster; ``say`` reports a lack of progress."""
        self.watchdog = Watchdog(self.resources, say)

    def check(self, state: object) -> None:
        """Check the cluster while waiting; any change of ``state`` counts as progress.

        Raises:
            TeachMattersError: no machine is left that could run a task.
        """
        if self.watchdog is not None:
            self.watchdog.check(state)

    def result(self, function: Any, *arguments: Any, purpose: str) -> Any:
        """Run one task and wait for its result."""
        import ray

        ref = self.submit(function, *arguments)
        while not ray.wait([ref], timeout=POLL)[0]:
            self.check(ref)
        return fetched(ref, purpose)

    def stop(self, refs: Sequence[Any]) -> None:
        """Cancel these tasks and give their workers time to write the features that they hold."""
        import ray

        ended = set(refs)
        self.running = [ref for ref in self.running if ref not in ended]
        left = ray.wait(list(refs), num_returns=len(refs), timeout=0)[1] if refs else []
        for ref in left:
            ray.cancel(ref)
        if left:
            ray.wait(left, num_returns=len(left), timeout=GRACE)
