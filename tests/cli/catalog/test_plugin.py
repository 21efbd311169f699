"""Tests of the output and exit codes of ``tm plugin check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from tests.installing import installed, write_plugin
from tests.plugin.seeding import line_of, seeded


def check(*words: str) -> Result:
    return CliRunner().invoke(app, ["plugin", "check", *words], catch_exceptions=False)


def test_a_correct_plugin_exits_with_0(tmp_path: Path) -> None:
    with installed(tmp_path, "tmt-seed", seeded("command")):
        for words in ((), ("tmt-seed",)):
            answer = check(*words)
            assert (answer.exit_code, answer.stderr) == (0, "")
            head, _, *rows = answer.stdout.splitlines()
            assert head.split() == ["plugin", "part", "ok"]
            assert rows[1].endswith("facts, names code, app, help, examples")


def test_a_fault_exits_with_1_and_names_its_line(tmp_path: Path) -> None:
    files = seeded("command", ("command.py", "Examples:", "So:"))
    with installed(tmp_path, "tmt-seed", files):
        answer = check()
        told = json.loads(check("--format", "json").stdout)
    assert answer.exit_code == 1
    where = line_of(tmp_path, "command.py", "@app.command")
    last, place = answer.stdout.splitlines()[-2:]
    assert last.startswith("wrong: tmt-seed, command tmt-seed, examples: the help of 'tm tmt-seed' shows no example")
    assert place == f"  {where}"
    (fault,) = [finding for finding in told if finding["status"] == "wrong"]
    assert (fault["distribution"], fault["about"], fault["where"]) == ("tmt-seed", "command tmt-seed", where)
    assert {finding["status"] for finding in told} == {"ok", "wrong"}


def test_skipped_checks_are_listed_and_are_not_faults(tmp_path: Path) -> None:
    with installed(tmp_path, "tmt-seed", seeded("dataset")):
        answer = check("tmt-seed")
    assert answer.exit_code == 0
    assert "\nnot checked: tmt-seed, data set tmt-seed, opens: it is not on this machine: " in answer.stdout


def test_a_model_behind_a_prefix_can_be_checked_by_name(tmp_path: Path) -> None:
    resolve = '''

def resolve(name: str) -> ModelSpec:
    """A model of a name."""
    return ModelSpec(name=name, family="s", supervision="", summary="s", factory="tmt_seed.source:open_model")
'''
    files = seeded("model", ("__init__.py", 'name="tmt-seed",', 'name="seeds/", resolve="tmt_seed.source:resolve",'))
    files["tmt_seed/source.py"] = files["tmt_seed/source.py"].replace(
        "import ModelRequest", "import ModelSpec, ModelRequest"
    )
    files["tmt_seed/source.py"] += resolve
    with installed(tmp_path, "tmt-seed", files):
        answer = check("tmt-seed", "--model", "seeds/7", "--format", "json")
    found = {(each["about"], each["check"]): each["status"] for each in json.loads(answer.stdout)}
    assert found["model seeds/", "its models"] == "not checked"
    assert found["model seeds/7", "preflight"] == found["model seeds/7", "attention"] == "ok"
    assert answer.exit_code == 0  # although nobody told the licence of that one


def test_without_plugins_it_prints_a_sentence() -> None:
    answer = check()
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert answer.stderr == ("only built-in plugins are installed; 'tm plugin check teachmatters' checks them\n")
    assert json.loads(check("--format", "json").stdout) == []


@pytest.mark.parametrize("words", [("tmt-sead",), ("tmt-seed", "--model", "no-such"), ("--data-root", "nowhere")])
def test_a_missing_plugin_is_a_one_line_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    with installed(tmp_path, "tmt-seed", seeded("command")):
        answer = check(*words)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert "tmt-sead" not in words or "Did you mean 'tmt-seed'?" in answer.stderr


def test_a_broken_plugin_is_checked_as_far_as_possible(tmp_path: Path) -> None:
    write_plugin(tmp_path, "tmt-seed", {"tmt_seed.py": "import no_such_module\n"})
    with installed(tmp_path, "tmt-seed"):
        answer = check("tmt-seed")
    assert answer.exit_code == 1
    assert "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'" in answer.stdout
