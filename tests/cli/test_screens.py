"""What a command prints by default fits on two screens of 80 x 24 (three for the longest help), and in the width."""

from __future__ import annotations

import io
import sys

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from teachmatters.cli.app import LazyCommand, app

WIDTH, TWO_SCREENS, THREE_SCREENS = 80, 48, 72
# Each of these has twenty options, with one or two lines of help.
LONG = {"analyze", "report", "visualize"}


class Terminal(io.TextIOWrapper):
    """Standard output as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "dumb")  # no codes for bold


def every_command() -> list[str]:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    names = [""]
    for name in root.list_commands(typer.Context(root)):
        command = root.get_command(typer.Context(root), name)
        assert isinstance(command, LazyCommand)
        real = command.real()
        names.append(name)
        if isinstance(real, TyperGroup):
            names += [f"{name} {part}" for part in real.list_commands(typer.Context(real))]
    return names


@pytest.mark.parametrize("name", every_command())
def test_a_help_fits(name: str) -> None:
    lines = CliRunner().invoke(app, [*name.split(), "--help"]).stdout.splitlines()
    assert len(lines) <= (THREE_SCREENS if name in LONG else TWO_SCREENS)
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    "line",
    ["models", "models dinov3", "datasets", "metrics", "metrics attention", "plugins", "report", "study --list"],
)
def test_a_list_fits(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(raw, encoding="utf-8"))
    with pytest.raises(SystemExit) as end:
        app(line.split(), prog_name="tm")
    assert end.value.code == 0
    sys.stdout.flush()
    lines = raw.getvalue().decode().splitlines()
    assert 3 <= len(lines) <= TWO_SCREENS
    table = lines if line != "models dinov3" else [text for text in lines if text.startswith("dinov3-")]
    assert max(map(len, table)) <= WIDTH


def test_a_list_is_cut_on_a_terminal_and_whole_with_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for words in (["datasets"], ["datasets", "--wide"]):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", Terminal(raw, encoding="utf-8"))
        with pytest.raises(SystemExit):
            app(words, prog_name="tm")
        sys.stdout.flush()
        texts.append(raw.getvalue().decode())
    cut, wide = texts
    assert ".." in cut
    assert "scikit-learn" not in cut
    assert "scikit-learn" in wide
    monkeypatch.undo()
    assert "the photographs that come with scikit-image" in CliRunner().invoke(app, ["datasets"]).stdout, (
        "a pipe gets it all"
    )
