"""Tests of what all commands share: -h, 'tm help', -v and -q, completion, configuration, the bundled store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli import completion, output
from teachmatters.cli.app import app
from teachmatters.cli.specs import register_commands

ROOT = Path(__file__).parents[2]


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TM_CONFIG", str(tmp_path / "user" / "config.toml"))
    return tmp_path / "user" / "config.toml"


def test_h_and_help_command_show_the_same_help() -> None:
    for words in (["query"], ["db", "merge"], []):
        pages = {tm(*line).stdout for line in ([*words, "--help"], [*words, "-h"], ["help", *words])}
        assert len(pages) == 1
        assert "Usage: tm" in pages.pop()
    assert tm("help", "nope").exit_code == 2
    wrong = tm("best-layers")
    assert wrong.exit_code == 2
    assert "No such command 'best-layers'. It is a report: 'tm report best-layers' shows it." in wrong.stderr


@pytest.mark.parametrize("spec", register_commands(), ids=lambda spec: spec.name)
def test_every_command_may_be_quiet_or_verbose(spec: object) -> None:
    name = str(getattr(spec, "name"))  # noqa: B009
    words = {"db": ["db", "info"], "cache": ["cache", "info"], "plugin": ["plugin", "check"]}.get(name, [name])
    text = tm(*words, "--help").stdout
    assert "-v, --verbose" in text
    assert "-q, --quiet" in text


def test_quiet_drops_messages_and_keeps_data_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("query", "SELECT 1 AS one", "--db", "bundled")
    assert (tm(*asked).stderr, "reading" in tm(*asked, "-v").stderr) == ("", True)
    assert "reading the results that come with teachmatters" in tm(*asked[:2]).stderr
    quiet = tm(*asked[:2], "-q")
    assert (quiet.stderr, quiet.stdout) == ("", tm(*asked).stdout)
    assert tm("query", "SELECT nope", "-q", "--db", "bundled").stderr.startswith("Error: ")
    assert output.level == output.QUIET
    assert tm("query", "SELECT nope", "--db", "bundled").exit_code == 1
    assert output.level == output.NORMAL, "the next command in one process starts afresh"


def completed(line: str) -> list[str]:
    """What bash would be offered."""
    words = line.split(" ")
    env = {"_TM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = CliRunner().invoke(app, [], env=env, prog_name="tm")
    return result.stdout.split()


def test_the_shell_completes_commands_options_and_names() -> None:
    assert completed("tm que") == ["query"]
    assert "--format" in completed("tm report --for")
    assert completed("tm report best") == ["best-layers"]
    assert completed("tm models mini-m") == ["mini-moco", "mini-mae"]
    assert completed("tm analyze --model mine=mini-b") == ["mine=mini-beit"]
    assert "knn-top1" in completed("tm analyze --metric knn")
    assert completed("tm analyze --metric knn --param te") == ["temperature="]
    assert completed("tm analyze --metric knn --param knn.feature=c") == ["knn.feature=cls", "knn.feature=cls+mean"]
    assert completed("tm analyze --metric nope --param te") == []
    assert "world=" in completed("tm analyze --data scenes --param w")
    assert completed("tm datasets sce") == ["scenes"]
    assert completed("tm config cache") == ["cache_limit"]
    assert completed("tm help anal") == ["analyze"]
    assert completed("tm report knn --db bundled --model mini-s") == ["mini-supervised"]
    assert completed("tm report knn --db none.db --model mini-s") == [], "a shell shows no errors"


def test_completion_imports_nothing_heavy() -> None:
    code = (
        "import os, sys\nos.environ.update(_TM_COMPLETE='complete_bash', COMP_WORDS='tm analyze --model mini-', "
        "COMP_CWORD='3')\nfrom teachmatters.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'sqlalchemy') if m in sys.modules], file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (answer.stderr.strip(), "mini-mae" in answer.stdout) == ("[]", True)


def test_completion_of_labels_offers_families(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completion._matching("b", ["a", "b1", "", "b1", "b2"]) == ["b1", "b2"]


def test_configuration_values_are_shown_set_and_removed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tm("config", "db", "mine.db").stderr == f"Wrote {config}\n"
    config.write_text(config.read_text() + "# mine\ndevice = 'cpu'\n")
    assert tm("config", "cache_limit", "2GB").exit_code == 0
    rows = {row["key"]: row for row in json.loads(tm("config", "--format", "json").stdout)}
    assert rows["db"]["value"] == str(config.parents[1] / "mine.db"), "commands run in any folder"
    assert rows["db"]["set_by"] == f"db in {config}"
    monkeypatch.setenv("TM_CACHE_LIMIT", "1GB")
    (row,) = json.loads(tm("config", "cache_limit", "--format", "json").stdout)
    assert (row["value"], row["set_by"]) == ("1GB", "TM_CACHE_LIMIT")
    assert tm("config", "db", "--unset").exit_code == 0
    assert config.read_text() == "# mine\ndevice = 'cpu'\ncache_limit = \"2GB\"\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("config bd x", "unknown key 'bd'. Did you mean 'db'?"),
        ("config device gpu", "unknown device 'gpu'; allowed: auto, cpu, cuda, mps"),
        ("config cache_limit much", "cache_limit='much' is not a size"),
        ("config db https://x/y", "is not supported"),
        ("config --unset", "--unset takes the key to remove"),
        ("analyze -m mini-mae --metric rank --db bundled", "the bundled results are only read"),
        ("db merge a.db --into bundled", "the bundled results are only read"),
    ],
)
def test_invalid_configuration_arguments_are_one_line_errors(config: Path, line: str, words: str) -> None:
    result = tm(*line.split())
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert words in result.stderr
    assert not config.exists()


def test_the_store_of_the_configuration_is_read(config: Path) -> None:
    assert tm("config", "db", "bundled").exit_code == 0
    path = Path(tm("db", "path").stdout.strip())
    assert path.resolve() == (ROOT / "results.db").resolve()
    assert tm("db", "path").stderr == ""
    config.write_text("device = 3\n")
    assert "device in" in tm("db", "path").stderr


def test_a_wrong_choice_suggests_the_nearest_one() -> None:
    result = tm("visualize", "x.png", "--model", "mini-dino", "--view", "pcaa")
    assert result.exit_code == 2
    assert "'--view': 'pcaa' is not one of 'attention', 'pca', 'similarity'. Did you mean 'pca'?" in result.stderr
