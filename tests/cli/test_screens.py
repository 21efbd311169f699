"""Tests that default output fits on two screens of 80 x 24."""

from __future__ import annotations

import io
import sys

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from teachmatters.cli.app import LazyCommand, app
from teachmatters.registry import load

WIDTH, TWO_SCREENS = 80, 48


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
    assert len(lines) <= TWO_SCREENS
    assert max(map(len, lines)) <= WIDTH


def on_terminal(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run a command on a terminal; return what it prints to standard output."""
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        terminal = Terminal(raw, encoding="utf-8")
        patch.setattr(sys, "stdout", terminal)
        with pytest.raises(SystemExit) as end:
            app(line.split(), prog_name="tm")
        terminal.flush()
    assert end.value.code == 0
    return raw.getvalue().decode().splitlines()


@pytest.mark.parametrize(
    "line",
    ["models", "models dinov3", "datasets", "metrics", "metrics attention", "plugins", "report", "study --list"],
)
def test_a_list_fits(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = on_terminal(line, monkeypatch)
    assert 3 <= len(lines) <= TWO_SCREENS
    table = lines if line != "models dinov3" else [text for text in lines if text.startswith("dinov3-")]
    assert max(map(len, table)) <= WIDTH


def test_a_list_is_cut_on_a_terminal_and_whole_with_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    cut, wide = ("\n".join(on_terminal(line, monkeypatch)) for line in ("datasets", "datasets --wide"))
    assert ".." in cut
    assert "scikit-learn" not in cut
    assert "scikit-learn" in wide
    assert "the photographs that come with scikit-image" in CliRunner().invoke(app, ["datasets"]).stdout


@pytest.mark.parametrize("name", sorted(set(load().reports) - {"published"}))  # that one needs ImageNet
def test_a_report_fits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 3 <= len(on_terminal(f"report {name} --db bundled -q", monkeypatch)) < TWO_SCREENS


def test_a_long_table_says_how_many_rows_are_hidden_and_how_to_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "report best-layers --db bundled"
    cut, whole = on_terminal(line, monkeypatch), on_terminal(f"{line} -v", monkeypatch)
    (note,) = [at for at, text in enumerate(cut) if "more lines" in text]
    below = len(cut) - note - 1
    assert cut[note] == f"... {len(whole) - below - note} more lines; -v prints all"
    assert (cut[:note], cut[note + 1 :]) == (whole[:note], whole[len(whole) - below :])
    assert whole[note] == "", "the parts of a wide table stay whole"
    assert "more lines" not in CliRunner().invoke(app, line.split()).stdout, "a pipe gets it all"
    query = "query SELECT(model)FROM(results) --db bundled"
    assert len(on_terminal(query, monkeypatch)) < TWO_SCREENS
    assert len(on_terminal(f"{query} --limit 100", monkeypatch)) == 102
