"""Which engine a command asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.runner.engines.base import Engine
from teachmatters.runner.engines.local import LocalEngine
from teachmatters.runner.requests import EngineRequest

ENGINES = ("local", "ray")


def check_engine(request: EngineRequest) -> None:
    """See at once whether there can be such an engine.

    Raises:
        TeachMattersError: there is none of that name, an option is for another, or its package is not installed.
    """
    if request.name not in ENGINES:
        raise UnknownNameError("engine", request.name, ENGINES, f"Allowed: {', '.join(ENGINES)}.")
    for option, value in (("--address", request.address), ("--shards", request.shards)):
        if value is not None and request.name != "ray":
            raise TeachMattersError(f"{option} {value} is for --engine ray; add that, or leave {option} out")
    if request.shards is not None and request.shards < 1:
        raise TeachMattersError(f"--shards {request.shards}: it must be at least 1")
    if request.name == "ray" and find_spec("ray") is None:
        raise TeachMattersError("--engine ray needs Ray: pip install 'teachmatters[ray]'")


@contextmanager
def engine_of(request: EngineRequest, device: str, cache: Path) -> Iterator[Engine]:
    """The engine, for as long as a command takes.

    Args:
        request: which one.
        device: the name that the command gave.
        cache: of the store; workers must see it.

    Raises:
        TeachMattersError: it cannot be had; nothing was measured.
    """
    check_engine(request)
    if request.name == "local":
        yield LocalEngine()
        return
    from teachmatters.runner.engines.ray.engine import ray_engine

    with ray_engine(request, device, cache) as engine:
        yield engine


def driver_device(request: EngineRequest, device: str) -> str:
    """Where this process computes: a GPU of the workers need not be here."""
    return "auto" if request.name == "ray" and device == "cuda" else device
