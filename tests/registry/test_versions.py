"""Tests of plugins for this version of the plugin API, for another, and without a version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from teachmatters import hookspecs, registry
from teachmatters.cli.app import app
from teachmatters.registry import versions
from tests.installing import installed

BODY = """
from teachmatters import hookimpl
from teachmatters.api import CommandSpec

{line}

@hookimpl
def register_commands():
    return [CommandSpec(name="mine", summary="", app="mine:app")]
"""


def told(folder: Path, text: str) -> dict[str, Any]:
    """What ``tm plugins --format json`` says of a plugin of this text."""
    with installed(folder, "tmt-made", {"tmt_made.py": text}):
        answer = CliRunner().invoke(app, ["plugins", "tmt-made", "--format", "json"])
        assert answer.exit_code == 0
        (plugin,) = json.loads(answer.stdout)
        assert "analyze" in registry.load().commands  # never fatal
        assert ("mine" in registry.load().commands) == bool(plugin["offers"])
    assert isinstance(plugin, dict)
    return plugin


@pytest.mark.parametrize("line", [f"TEACHMATTERS_API = {hookspecs.API_VERSION}", "TEACHMATTERS_API: int = 2", ""])
def test_a_plugin_for_this_version_or_without_one_is_used(tmp_path: Path, line: str) -> None:
    plugin = told(tmp_path, BODY.format(line=line))
    assert plugin["problems"] == []
    assert plugin["api"] == (hookspecs.API_VERSION if line else None)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("3", "it is made for plugin API 3, and this teachmatters has 2, so none of it is used: upgrade teachmatters"),
        ("0", "it is made for plugin API 0, and this teachmatters has 2, so none of it is used: upgrade tmt-made"),
        ("'1'", "TEACHMATTERS_API must be a whole number such as 2, not '1'; none of it is used"),
        ("True", "TEACHMATTERS_API must be a whole number such as 2, not True; none of it is used"),
    ],
)
def test_a_plugin_for_another_version_is_refused(tmp_path: Path, version: str, words: str) -> None:
    plugin = told(tmp_path, BODY.format(line=f"TEACHMATTERS_API = {version}"))
    assert plugin["problems"] == [words]
    assert plugin["offers"] == []


@pytest.mark.parametrize("line", ["TEACHMATTERS_API = 3", "TEACHMATTERS_API: int = 3"])
def test_the_version_of_a_broken_plugin_is_read(tmp_path: Path, line: str) -> None:
    """What is made for another version imports what there is not."""
    body = BODY.format(line="from teachmatters.api import Telepathy\n" + line)
    (words,) = told(tmp_path, body)["problems"]
    assert words.startswith("cannot be loaded: ImportError: cannot import name 'Telepathy'")
    assert words.endswith("; it is made for plugin API 3, and this teachmatters has 2, so none of it is used: "
                          "upgrade teachmatters")  # fmt: skip


@pytest.mark.parametrize("text", ["1 +", "import no_such_module", "TEACHMATTERS_API = 2\n1 / 0", "x, y = 1 / 0"])
def test_the_version_is_blamed_only_if_it_differs(tmp_path: Path, text: str) -> None:
    (words,) = told(tmp_path, text)["problems"]
    assert words.startswith("cannot be loaded: ")
    assert "plugin API" not in words


def test_no_version_means_the_first_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "API_VERSION", 3)
    assert versions.mismatch(None, "tm-old") == (
        "it declares no version, so it is assumed to be made for plugin API 2, and this teachmatters has 3, so none of "
        "it is used: upgrade tm-old"
    )
