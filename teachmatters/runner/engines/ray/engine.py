"""Passes on the workers of a Ray cluster: this process sends, waits, merges and alone writes the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from teachmatters.api import ModelSource
from teachmatters.errors import TeachMattersError, listing
from teachmatters.runner.engines.ray import node_probe, worker
from teachmatters.runner.engines.ray.cluster import Node, ShardResources, connected, fetched
from teachmatters.runner.engines.ray.executor import POLL, RayExecutor
from teachmatters.runner.engines.ray.messages import WorkerConfig, forwarded_environment
from teachmatters.runner.engines.ray.node_check import check_nodes
from teachmatters.runner.engines.ray.watchdog import Watchdog
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.requests import EngineRequest
from teachmatters.runner.session.passes import PassSettings

RETRIES = 3
"""How often Ray runs a part again whose worker died."""
MOST_CPUS = 16
"""That one GPU is given, to read and prepare images."""
FAREWELL = 15.0  # seconds for workers that are stopped to put away what they hold


@contextmanager
def ray_engine(request: EngineRequest, device: str, cache: Path) -> Iterator[RayEngine]:
    """The engine, for as long as a command takes.

    Raises:
        TeachMattersError: no cluster, none that has the device, or a node that lacks something.
    """
    with connected(request.address) as nodes:
        kind, needs = _needs(nodes, device)
        able = [node for node in nodes if needs.fit(node)]
        if not able:
            raise TeachMattersError("the cluster has no CPU for a task; 'ray status' says what it has")
        check_nodes(able, cache)
        engine = RayEngine(kind, needs, request.shards or sum(map(needs.fit, able)))
        try:
            yield engine
        finally:
            engine.stop(engine.running)


def _needs(nodes: Sequence[Node], device: str) -> tuple[str, ShardResources]:
    """The device that passes are made on, and what one task takes of a node."""
    if device not in ("auto", "cpu", "cuda"):
        raise TeachMattersError(f"device {device!r} is not for --engine ray; allowed: auto, cpu, cuda")
    gpus = [node for node in nodes if node.gpus >= 1]
    if device == "cuda" and not gpus:
        names = listing(node.name for node in nodes)
        raise TeachMattersError(f"device 'cuda' is not there: no GPU in the cluster ({names}); try --device auto")
    if device == "cpu" or not gpus:
        return "cpu", ShardResources(1, 0)
    return "cuda", ShardResources(min(MOST_CPUS, *(int(node.cpus // node.gpus) for node in gpus)), 1)


class RayEngine:
    """See network.Engine.

    Args:
        device: of the workers.
        needs: of one task.
        shards: into how many parts a pass is cut.
    """

    def __init__(self, device: str, needs: ShardResources, shards: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.device, self.needs, self.shards = device, needs, shards
        # It counts here: other machines may die.
        here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=True)
        counter = ray.remote(node_probe.ShardCounter).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
        self.counter: Any = counter.remote()
        self.running: list[Any] = []

    def open(self, settings: PassSettings, model: LabelledModel, source: ModelSource) -> RayExecutor:
        """See network.Engine; the first worker that is free builds it."""
        import ray

        order = WorkerConfig(
            model=model,
            weights=source.weights,
            device=self.device,
            dtype=settings.dtype,
            seed=settings.seed,
            threads=max(1, self.needs.cpus),
            folder=Path.cwd(),
            environment=forwarded_environment(),
        )
        ref = self.submit(worker.open_model, order)
        self.watch = Watchdog(self.needs, settings.progress.say)
        while not ray.wait([ref], timeout=POLL)[0]:
            self.watch.look(ref)
        info = fetched(ref, f"to build {model.label}")
        if isinstance(info, TeachMattersError):
            raise info
        fetched(self.counter.told.remote(""), "counting images")  # it is there before there is anything to count
        return RayExecutor(self, settings, order, info)

    def submit(self, function: Any, *arguments: Any) -> Any:
        """A task that Ray runs again if its worker dies."""
        import ray

        needs = {"num_cpus": self.needs.cpus, "num_gpus": self.needs.gpus, "max_retries": RETRIES}
        self.running.append(ray.remote(function).options(**needs).remote(*arguments))
        return self.running[-1]

    def stop(self, refs: Sequence[Any]) -> None:
        """Nobody waits for these any longer: workers put away what they hold."""
        import ray

        ended = set(refs)
        self.running = [ref for ref in self.running if ref not in ended]
        left = ray.wait(list(refs), num_returns=len(refs), timeout=0)[1] if refs else []
        for ref in left:
            ray.cancel(ref)
        if left:
            ray.wait(left, num_returns=len(left), timeout=FAREWELL)
