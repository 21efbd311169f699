"""Forward passes on the workers of a Ray cluster; only this process merges their results and writes the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from teachmatters.api import ModelSource
from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError, listing
from teachmatters.runner.engines.ray import worker
from teachmatters.runner.engines.ray.cluster import Node, ShardResources, connected, fetched
from teachmatters.runner.engines.ray.executor import RayExecutor
from teachmatters.runner.engines.ray.messages import WorkerConfig, forwarded_environment
from teachmatters.runner.engines.ray.node_check import check_nodes
from teachmatters.runner.engines.ray.task_pool import TaskPool
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.requests import EngineRequest

MOST_CPUS = 16  # per GPU, to read and transform images


@contextmanager
def ray_engine(request: EngineRequest, device: str, cache: Path) -> Iterator[RayEngine]:
    """Provide the engine for the duration of a command.

    Raises:
        TeachMattersError: there is no cluster, it lacks the device, or a node lacks a package or the cache.
    """
    with connected(request.address) as nodes:
        worker_device, needs = _needs(nodes, device)
        able = [node for node in nodes if needs.fit(node)]
        if not able:
            raise TeachMattersError("the cluster has no CPU for a task; see 'ray status'")
        check_nodes(able, cache)
        tasks = TaskPool(needs, request.shards or sum(map(needs.fit, able)))
        try:
            yield RayEngine(worker_device, tasks)
        finally:
            tasks.stop(tasks.running)


def _needs(nodes: Sequence[Node], device: str) -> tuple[str, ShardResources]:
    """Return the device that passes run on, and the resources that one task occupies."""
    if device not in ("auto", "cpu", "cuda"):
        raise TeachMattersError(f"device {device!r} is not for --engine ray; allowed: auto, cpu, cuda")
    gpus = [node for node in nodes if node.gpus >= 1]
    if device == "cuda" and not gpus:
        names = listing(node.name for node in nodes)
        raise TeachMattersError(f"device 'cuda' is not available: no GPU in the cluster ({names}); try --device auto")
    if device == "cpu" or not gpus:
        return "cpu", ShardResources(1, 0)
    return "cuda", ShardResources(min(MOST_CPUS, *(int(node.cpus // node.gpus) for node in gpus)), 1)


class RayEngine:
    """See :class:`teachmatters.runner.engines.base.Engine`.

    Args:
        device: the device of the workers.
        tasks: runs tasks on the cluster.
    """

    def __init__(self, device: str, tasks: TaskPool) -> None:
        self.device, self.tasks = device, tasks

    def open(
        self, model: LabelledModel, source: ModelSource, settings: PassSettings, progress: Progress
    ) -> RayExecutor:
        """Build and check the model on the first free worker."""
        config = WorkerConfig(
            model=model,
            weights=source.weights,
            device=self.device,
            dtype=settings.dtype,
            seed=settings.seed,
            threads=max(1, self.tasks.resources.cpus),
            folder=Path.cwd(),
            environment=forwarded_environment(),
        )
        self.tasks.watch(progress.say)
        info = self.tasks.result(worker.open_model, config, purpose=f"building {model.label}")
        if isinstance(info, TeachMattersError):
            raise info
        # The counter must run before there is work to count.
        fetched(self.tasks.counter.counts.remote(""), "counting images")
        return RayExecutor(self.tasks, config, info, settings, progress)
