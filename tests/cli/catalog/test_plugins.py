"""Tests of ``tm plugins``: readable on narrow terminals and complete everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from teachmatters import registry
from teachmatters.cli import output
from teachmatters.cli.app import app
from teachmatters.registry import Plugin, Registry
from teachmatters.registry.plugins import discover
from tests import toys

SENTENCES = ["cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'", "says " + "something " * 30]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two broken plugins, of which one offers something, beside the built-in ones."""
    offers: dict[str, list[Any]] = {
        "register_analyses": toys.register_analyses()[:1],
        "register_models": toys.register_models(),
    }
    found = [
        *discover(),
        Plugin("one", "tm-one", "1.2", problems=SENTENCES[:1]),
        Plugin("a-second-plugin", "tm-a-second-plugin", "0.10.3.dev1", specs=offers, problems=SENTENCES[1:]),
    ]
    known = Registry(found)
    monkeypatch.setattr(registry, "load", lambda: known)


def plugins(*words: str) -> str:
    answer = CliRunner().invoke(app, ["plugins", *words])
    assert answer.exit_code == 0
    return answer.stdout


@pytest.mark.usefixtures("broken")
def test_it_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_terminal", lambda: (80, ("", "")))
    text = plugins()
    assert max(map(len, text.splitlines())) <= 80
    overview, _, problems = text.partition("\n\n")
    assert len(overview.splitlines()) == 2 + len(registry.load().plugins)  # none is folded
    told = [line.split() for line in problems.splitlines()]
    assert [line[:2] for line in told if line[0] in ("one", "a-second-plugin")] == [
        ["one", "tm-one"],
        ["a-second-plugin", "tm-a-second-plugin"],
    ]
    assert "".join(SENTENCES[0].split()) in "".join(word for line in told for word in line)
    assert problems.count("something") == 30


@pytest.mark.usefixtures("broken")
def test_the_contents_of_each_plugin_are_counted_and_named() -> None:
    rows = {line.split()[0]: line for line in plugins().partition("\n\n")[0].splitlines()}
    assert rows["one"].endswith("nothing")
    assert rows["a-second-plugin"].endswith("1 analysis, 6 models")
    assert rows["cli"].endswith(f"{len(registry.load().commands)} commands")
    assert "1 analysis: toy-video" in plugins("a-second-plugin")
    assert "commands: analyze, study, report" in plugins("teachmatters")
    (one,) = json.loads(plugins("tm-one", "--format", "json"))
    assert one["problems"] == SENTENCES[:1]
    every = json.loads(plugins("--format", "json"))
    assert [row["name"] for row in every] == [plugin.name for plugin in registry.load().plugins]
    assert "dino-b16" in every[0]["offers"][0]


def test_without_problems_there_is_one_table() -> None:
    assert "problem" not in plugins()


def test_plugin_names_cannot_send_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [*discover(), Plugin("one", "tm-one", "1.2", problems=["\x1b[2Jgone"])]
    known = Registry(found)
    monkeypatch.setattr(registry, "load", lambda: known)
    assert "\\x1b[2Jgone" in plugins()
    assert "\\x1b[2Jgone" in plugins("one")
