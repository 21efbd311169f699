"""Tests that the packages in plugins/ keep the contract."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest

from teachmatters import registry
from teachmatters.plugin.check import faults
from tests.pages import ROOT

PROJECTS = [tomllib.loads(path.read_text("utf-8"))["project"] for path in ROOT.glob("plugins/*/pyproject.toml")]
PACKAGES = [project["name"] for project in PROJECTS if project["name"] != "tm-token-norm"]  # its own tests do so


@pytest.fixture
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One of them beside the built-ins."""
    monkeypatch.setenv("TM_LOAD_PLUGINS", request.param)
    registry.load.cache_clear()
    yield request.param
    registry.load.cache_clear()


@pytest.mark.parametrize("alone", PACKAGES, indirect=True)
def test_each_plugin_keeps_the_contract(alone: str) -> None:
    assert faults(alone) == []
