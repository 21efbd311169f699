"""Tests of the configuration file: the environment overrides it, and errors are one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from teachmatters import config
from teachmatters.errors import TeachMattersError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TM_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def test_the_environment_wins_over_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (config.default("db"), config.source("db")) == (None, "")
    path.write_text('db = "file.db"\n')
    assert (config.default("db"), config.source("db")) == ("file.db", f"db in {path}")
    monkeypatch.setenv("TM_DB", "env.db")
    assert (config.default("db"), config.source("db")) == ("env.db", "TM_DB")
    monkeypatch.setenv("TM_DB", "")
    assert config.default("db") == "file.db"


def test_a_written_value_is_read_back(path: Path) -> None:
    for value in ('C:\\data\\"odd"', "größe", "a\tb"):
        config.write("data_root", value)
        assert config.read() == {"data_root": value}
    config.write("data_root", None)
    assert path.read_text() == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("db = results.db", "is not TOML"),
        ("bd = 'x'", "unknown key in .*'bd'. Did you mean 'db'"),
        ("device = 1", 'must be a text in quotes, such as device = "..."'),
    ],
)
def test_an_invalid_file_is_a_one_line_error_and_not_changed(path: Path, text: str, words: str) -> None:
    path.write_text(text)
    with pytest.raises(TeachMattersError, match=words):
        config.default("db")
    with pytest.raises(TeachMattersError, match=words):
        config.write("db", "x")
    assert path.read_text() == text


def test_a_file_that_cannot_be_read(path: Path) -> None:
    path.mkdir()
    with pytest.raises(TeachMattersError, match="cannot read the configuration"):
        config.read()


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_CONFIG_HOME", "x/teachmatters"),
        ("win32", "APPDATA", "x/teachmatters"),
        ("darwin", "HOME", "x/Library/Application Support/teachmatters"),
    ],
)
def test_the_folder_is_the_platforms(
    monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, folder: str
) -> None:
    monkeypatch.delenv("TM_CONFIG")
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, "x")
    assert config.config_path().as_posix() == f"{folder}/config.toml"
