from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from teachmatters import store
from teachmatters.errors import TeachMattersError
from teachmatters.store import location
from teachmatters.store.location import Server, reading_path, writing_path


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TM_DB", raising=False)
    monkeypatch.setattr(location, "__file__", str(tmp_path / "package" / "store" / "location.py"))


def test_the_option_wins_over_the_variable_and_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize(
    "given", ["mysql://me:secret@host/db", "postgresql+asyncpg://x/y", "sqlite://", "https://x/r.db"]
)
def test_other_urls_are_refused_without_showing_passwords(given: str) -> None:
    with pytest.raises(TeachMattersError, match="a results store is a SQLite file or a PostgreSQL database") as caught:
        writing_path(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown", "name"),
    [
        ("postgresql://me:secret@lab:5433/results", "postgresql://me@lab:5433/results", "results"),
        ("postgresql+psycopg://me:secret@lab/results", "postgresql://me@lab/results", "results"),
        ("postgres://lab/my%20results", "postgresql://lab/my%20results", "my results"),
        ("postgresql://me:s%40c%2Fret%23@[::1]:5432,b.c:5433/r", "postgresql://me@[::1]:5432,b.c:5433/r", "r"),
        (
            "postgresql:///r?host=/run/pg&password=secret&p%61ssword=secret&sslmode=require",
            "postgresql:///r?host=/run/pg&sslmode=require",
            "r",
        ),
        (
            "postgresql://lab/r?scram_client_key=secret&options=-csearch_path%3Dx&scram_server_key=secret&new=secret",
            "postgresql://lab/r?options=-csearch_path%3Dx",
            "r",
        ),
    ],
)
def test_a_server_is_shown_without_its_password(given: str, shown: str, name: str) -> None:
    found, _ = reading_path(given)
    assert isinstance(found, Server)
    assert (str(found), repr(found), found.name) == (shown, f"Server({shown!r})", name)
    assert found == writing_path(given)
    assert found.url.partition("://")[2] == given.partition("://")[2], "psycopg is given all of it"


@pytest.mark.parametrize(
    "given",
    [
        *("postgresql://me:sec/ret@lab/results", "postgresql://me:1/secret@lab/results", "postgresql://lab:secret/r"),
        *("postgresql://me:secret#1@lab/r", "postgresql://me:a@secret@lab/r", "postgresql://me:secret@lab"),
        *("postgresql://", "postgresql://me:12/r?x=secret@lab/r", "postgresql://me:sec ret@lab/r", "postgres:///"),
    ],
)
def test_an_invalid_address_is_not_shown(given: str) -> None:
    with pytest.raises(TeachMattersError, match=r"not a complete address.*//user:password@host/database") as caught:
        writing_path(given)
    assert "sec" not in str(caught.value)
    assert "ret@" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        *("postgresql:/me:secret@h/db", "postgresql//me:secret@h/db", "Postgres:me:secret@h/db", "dbname=r"),
        *("postgresql/me:secret@h/db", "postgresql+psycopg:/me:secret@h/db", "host=lab password=secret"),
        *(" password = secret host=lab", "Password=secret", "keepalives=1 password=secret"),
    ],
)
def test_a_mistyped_address_is_not_taken_for_a_file(given: str) -> None:
    with pytest.raises(TeachMattersError, match=r"is not an address of .*. Give --db postgresql:") as caught:
        writing_path(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("given", ["postgres/results.db", "postgresql.db", "./host=lab.db", "a=b.db", " spaced .db "])
def test_files_with_similar_names_are_files(given: str) -> None:
    assert writing_path(given) == Path(given)


def test_spaces_and_capitals_around_an_address_are_ignored() -> None:
    for given in (" postgresql://me@lab/r\n", "POSTGRESQL://me@lab/r", "PostgreSQL+psycopg://me@lab/r"):
        assert writing_path(given) == Server("postgresql://me@lab/r")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        *((f"postgresql://me:secret@lab{end}", "it names no database") for end in ("", "/", "?a=b", "/?a=b")),
        *((f"postgresql://me:secret@lab:{port}/r", "a port is 1 to 65535") for port in ("99999", "0", "1,b:65536")),
    ],
)
def test_missing_parts_of_an_address_are_named(given: str, words: str) -> None:
    with pytest.raises(TeachMattersError, match=f"not a complete address of a PostgreSQL database: {words}") as caught:
        writing_path(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("given", ["", ":memory:", "sqlite:///:memory:"])
def test_an_empty_path_is_refused(given: str) -> None:
    with pytest.raises(TeachMattersError, match="--db"):
        writing_path(given)


def test_reading_requires_the_named_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeachMattersError, match=r"no results store at none\.db"):
        reading_path("none.db")
    monkeypatch.setenv("TM_DB", "gone.db")
    with pytest.raises(TeachMattersError, match=r"no results store at gone\.db"):
        reading_path(None)


def test_reading_falls_back_on_the_bundled_store_with_a_note(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="tm analyze"):
        reading_path(None)
    packaged = tmp_path / "package" / "results.db"
    packaged.parent.mkdir()
    packaged.touch()
    path, sentence = reading_path(None)
    assert path == packaged
    assert sentence is not None
    assert "--db bundled" in sentence
    assert reading_path("bundled") == (packaged, None)
    with pytest.raises(TeachMattersError, match="the bundled results are only read"):
        writing_path("bundled")
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


def test_every_lazy_name_of_the_package_exists() -> None:
    assert all(getattr(store, name) is not None for name in store.__all__)
