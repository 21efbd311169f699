"""Fixtures and settings of all tests."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.building import wheel
from tests.postgres import cluster, place, server

if TYPE_CHECKING:
    from teachmatters.registry import Plugin

__all__ = ["cluster", "place", "server", "wheel"]

os.environ["OMP_NUM_THREADS"] = "1"  # tiny networks lose more to handing work around than they gain
os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is ever fetched in a test
os.environ["TM_LOAD_PLUGINS"] = ""  # what happens to be installed beside us changes no test
os.environ["TM_CONFIG"] = os.devnull  # nor does the user's configuration
for name in ("TM_DB", "TM_DATA", "TM_DEVICE", "TM_CACHE", "TM_CACHE_LIMIT", "TM_DEBUG"):
    os.environ.pop(name, None)
sys.dont_write_bytecode = False  # otherwise each process that a test starts compiles the package again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt what is imported for the tests from garbage collection: it stays, and is too much to be searched again."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


# Fixtures that take seconds: tests that use one of them run in one worker, which sets it up once.
SHARED = ("browser", "cluster", "wheel")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests that share a slow fixture, before xdist reads the groups."""
    for item in items:
        for name in SHARED:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry with the toy plugin beside the built-ins."""
    from teachmatters import registry
    from teachmatters.registry import names, plugins

    monkeypatch.setattr(plugins, "BUILT_IN", (*plugins.BUILT_IN, "tests.toys"))
    monkeypatch.setattr(names, "discover", lambda: plugins.discover() if os.environ["TM_LOAD_PLUGINS"] else with_toys())
    registry.load.cache_clear()
    yield
    registry.load.cache_clear()


@pytest.fixture
def two_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """K-means of two starts, where the clusters are not the point."""
    from teachmatters.measures.representation import clusters

    monkeypatch.setattr(clusters, "STARTS", 2)


def with_toys() -> list[Plugin]:
    """Return copies of plugins that are discovered once per process, because a registry changes their lists."""
    return [
        replace(each, specs={hook: list(specs) for hook, specs in each.specs.items()}, problems=list(each.problems))
        for each in discovered()
    ]


@functools.cache
def discovered() -> list[Plugin]:
    from teachmatters.registry import plugins

    return plugins.discover()
