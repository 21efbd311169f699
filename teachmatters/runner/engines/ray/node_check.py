"""Checks, before anything is sent, that every node has what the command needs."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import load
from teachmatters.runner.engines.ray import node_probe
from teachmatters.runner.engines.ray.cluster import Node
from teachmatters.runner.record.provenance import versions

PATIENCE = 60.0  # seconds


def by_value(ray: Any) -> None:
    """Make Ray send ``node_probe`` by value, so that it runs on a node without this package."""
    ray.cloudpickle.register_pickle_by_value(node_probe)


def check_nodes(nodes: Sequence[Node], cache: Path) -> None:
    """Check the packages of each node, and its access to the cache.

    Raises:
        TeachMattersError: a node lacks a package or does not see the cache; names the node and what to do.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    wanted = required()
    by_value(ray)
    probe = ray.remote(node_probe.probe_node)
    with _token(cache) as token:
        refs = [
            probe.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
            ).remote(list(wanted), str(token))
            for node in nodes
        ]
        try:
            answers = ray.get(refs, timeout=PATIENCE)
        except ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            raise TeachMattersError(f"the workers cannot be checked: {reason}; see 'ray status'") from error
    for node, answer in zip(nodes, answers, strict=True):
        judge(node.name, answer, wanted, cache)


def required() -> dict[str, str]:
    """Return the versions of the packages that compute, and of every plugin, on this machine."""
    plugins = {plugin.distribution: plugin.version for plugin in load().plugins if plugin.version}
    found = {**versions(), **plugins}
    return {name: version for name, version in found.items() if name not in ("python", "unknown")}


def judge(node: str, answer: Mapping[str, Any], wanted: Mapping[str, str], cache: Path) -> None:
    """Raise an error for the first problem of a node.

    >>> judge("node-7", {"versions": {"timm": "1.0"}}, {"timm": "1.1"}, Path())
    Traceback (most recent call last):
    teachmatters.errors.TeachMattersError: worker node-7 has timm 1.0, this machine 1.1: install timm==1.1 there
    """
    there = answer["versions"]
    absent = {name: version for name, version in wanted.items() if name not in there}
    if absent:
        lines = " ".join(f"{name}=={version}" for name, version in absent.items())
        raise TeachMattersError(f"worker {node} lacks {listing(absent)}: install {lines} there")
    for name, version in wanted.items():
        # A local version such as '+cpu' only describes how the package was built.
        if there[name].partition("+")[0] != version.partition("+")[0]:
            exact = f"install {name}=={version} there"
            raise TeachMattersError(f"worker {node} has {name} {there[name]}, this machine {version}: {exact}")
    if not answer["sees"]:
        raise TeachMattersError(
            f"worker {node} does not see the cache {cache}: name a folder on a disk that all machines share with "
            "TM_CACHE, or put the store on one"
        )
    if answer["writes"]:
        raise TeachMattersError(f"worker {node} cannot write to the cache {cache}: {answer['writes']}")


@contextmanager
def _token(cache: Path) -> Iterator[Path]:
    """Keep a file in the cache while the nodes look for it."""
    new = not cache.exists()
    token = cache.absolute() / f".seen-by-all-{uuid.uuid4().hex}"
    try:
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_bytes(b"")
    except OSError as error:
        raise TeachMattersError(
            f"the cache {cache} cannot be written ({error.strerror or error}); set TM_CACHE to a writable folder"
        ) from error
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)
        if new:
            with contextlib.suppress(OSError):
                cache.rmdir()
