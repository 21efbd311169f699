from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import location
from teachmatters.store.location import reading_path, writing_path


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TM_DB", raising=False)
    monkeypatch.setattr(location, "__file__", str(tmp_path / "package" / "store" / "location.py"))


def test_the_option_wins_over_the_variable_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert writing_path(None) == Path("results.db")
    monkeypatch.setenv("TM_DB", "env.db")
    assert writing_path(None) == Path("env.db")
    assert writing_path("given.db") == Path("given.db")
    monkeypatch.setenv("TM_DB", "")
    assert writing_path(None) == Path("results.db")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("sqlite:///rel.db", "rel.db"),
        ("sqlite:////abs/x.db", "/abs/x.db"),
        ("sqlite+pysqlite:///x.db", "x.db"),
        ("~/x.db", str(Path("~/x.db").expanduser())),
        ("odd name?#%20.db", "odd name?#%20.db"),
    ],
)
def test_urls_and_paths(given: str, path: str) -> None:
    assert writing_path(given) == Path(path)


@pytest.mark.parametrize("given", ["postgresql://me:secret@host/db", "mysql://x", "sqlite://", "https://x/results.db"])
def test_other_urls_are_refused_without_showing_passwords(given: str) -> None:
    with pytest.raises(TeachMattersError, match="a results store is a SQLite file") as caught:
        writing_path(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("given", ["", ":memory:", "sqlite:///:memory:"])
def test_no_file_is_refused(given: str) -> None:
    with pytest.raises(TeachMattersError, match=r"--db|SQLite file"):
        writing_path(given)


def test_reading_needs_the_file_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeachMattersError, match=r"no results store at none\.db"):
        reading_path("none.db")
    monkeypatch.setenv("TM_DB", "gone.db")
    with pytest.raises(TeachMattersError, match=r"no results store at gone\.db"):
        reading_path(None)


def test_reading_falls_back_on_the_package_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="tm analyze"):
        reading_path(None)
    packaged = tmp_path / "package" / "results.db"
    packaged.parent.mkdir()
    packaged.touch()
    path, sentence = reading_path(None)
    assert path == packaged
    assert sentence is not None
    assert str(packaged) in sentence
    Path("results.db").touch()
    assert reading_path(None) == (Path("results.db"), None)


def test_reading_imports_neither_sqlalchemy_nor_alembic_nor_numpy() -> None:
    code = (
        "import sys, teachmatters.store, teachmatters.store.location, teachmatters.store.migrate\n"
        "from teachmatters.store import query, connect, info\n"
        "assert not {'sqlalchemy', 'alembic', 'numpy', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
