"""Tests of what ``tm plugin new`` writes and refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from teachmatters.plugin.new import KINDS, Kind, package_files, write_package
from tests.installing import installed, write_plugin
from tests.pages import ROOT

LONG = "a-name-that-is-as-long-as-names-may-be-x"

# Tests within a test: no worker of its own, no cache, and no modules of the name "conftest".
WITHIN = ["-p", "no:xdist", "-p", "no:cacheprovider", "--import-mode=importlib"]


def new(*words: str) -> Result:
    return CliRunner().invoke(app, ["plugin", "new", *words], catch_exceptions=False)


def written(folder: Path, name: str, kind: Kind) -> Path:
    return write_package(name, kind, folder / name)


def run(*words: str, where: Path) -> str:
    """The output of a program of this Python's, which must end well."""
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [where, ROOT]))}
    command = [sys.executable, "-m", *words]
    answer = subprocess.run(command, cwd=where, env=surroundings, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_ruff_is_quiet_for_names_of_any_length(tmp_path: Path) -> None:
    """About all packages at once, each by its own settings."""
    for kind in KINDS:
        for name in ("a", LONG):
            written(tmp_path / kind, name, kind)
    run("ruff", "check", "--no-cache", where=tmp_path)
    run("ruff", "format", "--check", "--no-cache", where=tmp_path)


def test_mypy_is_quiet(tmp_path: Path) -> None:
    """All kinds at once, with the repository's own settings, so that mypy's cache of PyTorch is used."""
    files = []
    for kind in KINDS:
        folder = written(tmp_path, f"tmt-{kind}", kind)
        files += [str(folder / f"tmt_{kind}"), *map(str, (folder / "tests").glob("test_*.py"))]
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    command = [sys.executable, "-m", "mypy", *settings, *files, str(folder / "tests" / "conftest.py")]
    surroundings = {**os.environ, "MYPYPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_their_own_tests_pass(kind: Kind, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """They check the contract too. They run in this process, which has imported PyTorch already."""
    folder = written(tmp_path, f"tmt-{kind}", kind)
    write_plugin(folder, f"tmt-{kind}", {}, f"tmt_{kind}")
    with pytest.MonkeyPatch.context() as patch, installed(folder, f"tmt-{kind}", module=f"tmt_{kind}"):
        patch.chdir(folder)
        ended = pytest.main(["-q", "-W", "error", *WITHIN, "--doctest-modules", str(folder)])
    said = capfd.readouterr().out
    assert ended == 0, said
    assert " passed in " in said
    assert "skipped" not in said


def test_names_in_a_package_follow_the_package() -> None:
    for kind in KINDS:
        for path, text in package_files("tmt-mine", kind).items():
            assert "$" not in path + text
            assert "template" not in path
            assert "my_vit" not in path + text


def test_kinds_differ_only_in_their_dependencies() -> None:
    """So that a fresh environment with two of them stands for all."""
    projects = [tomllib.loads(package_files("tmt-mine", kind)["pyproject.toml"]) for kind in KINDS]
    for each in projects:
        needed = [Requirement(text) for text in each["project"].pop("dependencies")]
        assert all(one.specifier.contains(version(one.name)) for one in needed)
        del each["project"]["description"]
    assert all(each == projects[0] for each in projects)


def test_the_next_steps_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = new("tmt-mine", "--kind", "model")
    assert answer.exit_code == 0
    assert answer.stdout == "tmt-mine\n"
    assert "\n  pip install -e tmt-mine\n  tm plugin check tmt-mine\n" in answer.stderr
    assert (tmp_path / "tmt-mine/tmt_mine/py.typed").read_text() == ""
    assert (tmp_path / "tmt-mine/.gitignore").is_file()
    answer = new("tmt-mine", "--kind", "dataset", "--out", "some folder/mine")
    assert "pip install -e 'some folder/mine'" in answer.stderr
    assert (tmp_path / "some folder/mine/pyproject.toml").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some folder", "tmt-mine"]  # no draft is left


# ---------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "My ViT",
            "is not a valid plugin name: use lower-case letters, digits and single",
        ),
        ("My ViT", "'my-vit' is valid"),
        ("my_vit", "'my-vit' is valid"),
        ("../my-vit", "'my-vit' is valid"),
        ("2nd-vit", "'nd-vit' is valid"),
        ("", "is not a valid plugin name"),
        ("-", "is not a valid plugin name"),
        ("my--vit", "is not a valid plugin name"),
        ("vít", "is not a valid plugin name"),
        ("x" * 41, "has 41 characters; at most 40 are allowed"),
        ("lambda", "it is a Python keyword"),
        ("json", "it has another meaning in Python, pytest or tm"),
        ("tests", "it has another meaning"),
        ("paper", "it has another meaning"),
        ("torch", "torch is installed (pip uninstall torch)"),
        ("sklearn", "a Python package 'sklearn' already exists"),
        ("scikit-learn", "scikit-learn is installed"),
        ("mae", "there is a model with this name; choose another, such as 'my-mae'"),
        ("dino-b16", "there is a model with this name"),
        ("scenes", "there is a data set with this name"),
        ("knn", "there is an analysis with this name"),
        ("attn-distance", "there is a metric with this name"),
        ("heads", "there is a report with this name"),
        ("analyze", "there is a command with this name"),
        ("models", "there is a command with this name"),
        ("cli", "there is a plugin with this name"),
    ],
)
def test_an_invalid_name_is_a_one_line_error(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = new("--kind", "model", "--", name)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert words in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_a_usage_error() -> None:
    assert new("my-vit", "--kind", "models").exit_code == 2


# ---------------------------------------------------------------- folders
def test_a_folder_with_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, words in (("mine", "holds something already"), ("file", "is not a folder"), ("link", "is not a folder")):
        answer = new("tmt-mine", "--kind", "model", "--out", str(tmp_path / name))
        assert answer.exit_code == 1
        assert words in answer.stderr
        assert answer.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "link", "mine", "thesis.tex"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert new("tmt-mine", "--kind", "command", "--out", str(tmp_path / "mine")).exit_code == 0
    assert (tmp_path / "mine/README.md").is_file()


def test_an_impossible_folder_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = new("tmt-mine", "--kind", "model", "--out", str(tmp_path / "file/below/mine"))
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: cannot ")
    assert answer.stderr.count("\n") == 1


def test_a_full_disk_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.write_text

    def full(self: Path, text: str, **words: str) -> int:
        if self.name == "source.py":
            raise OSError(28, "No space left on device")
        return whole(self, text, **words)

    monkeypatch.setattr(Path, "write_text", full)
    answer = new("tmt-mine", "--kind", "model", "--out", str(tmp_path / "mine"))
    assert "No space left on device" in answer.stderr
    assert list(tmp_path.iterdir()) == []
