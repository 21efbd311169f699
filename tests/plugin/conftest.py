"""Fixtures that skip slow parts of plugin checks."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from teachmatters.plugin import check


@pytest.fixture
def here_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own for every plugin: what is imported at start has its own tests.

    What is imported here is exempt from garbage collection, which the check does after every part of a plugin.
    """
    gc.freeze()
    monkeypatch.setattr(check, "check_start", lambda sheet: None)


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small networks on busy cores: threads that wait for each other take four times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
