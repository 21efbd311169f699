"""Checks and opens the engine that a command requests."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.runner.engines.base import Engine, EngineStarter
from teachmatters.runner.engines.local import LocalEngine
from teachmatters.runner.requests import EngineRequest

ENGINES = ("local", "ray")


def check_engine(request: EngineRequest) -> None:
    """Check the request for an engine before any work begins.

    Raises:
        TeachMattersError: the name is unknown, an option belongs to another engine, or its package is not installed.
    """
    if request.name not in ENGINES:
        raise UnknownNameError("engine", request.name, ENGINES, f"Allowed: {', '.join(ENGINES)}.")
    for option, value in (("--address", request.address), ("--shards", request.shards)):
        if value is not None and request.name != "ray":
            raise TeachMattersError(f"{option} {value} is for --engine ray; add that, or leave out {option}")
    if request.shards is not None and request.shards < 1:
        raise TeachMattersError(f"--shards {request.shards}: it must be at least 1")
    if request.name == "ray" and find_spec("ray") is None:
        raise TeachMattersError("--engine ray needs Ray: pip install 'teachmatters[ray]'")


@contextmanager
def engine_of(request: EngineRequest, device: str, cache: Path) -> Iterator[EngineStarter]:
    """Provide a function that starts the engine of a command; it is stopped at the end of the command.

    A command that finds everything in the store starts no engine.

    Args:
        request: a request that passed ``check_engine``.
        device: as given to the command.
        cache: cache folder of the store; workers must see it.

    Yields:
        the function. It raises TeachMattersError if the cluster is not available or not usable.
    """
    with ExitStack() as running:

        @functools.cache
        def start() -> Engine:
            if request.name == "local":
                return LocalEngine()
            from teachmatters.runner.engines.ray.engine import ray_engine

            return running.enter_context(ray_engine(request, device, cache))

        yield start


def driver_device(request: EngineRequest, device: str) -> str:
    """Return the device that this process uses; it need not have a GPU if the workers have one."""
    return "auto" if request.name == "ray" and device == "cuda" else device
