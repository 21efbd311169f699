from __future__ import annotations

import shutil
import signal
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store import Store, connect, head, info, public, query
from teachmatters.store import migrate as module
from teachmatters.store.backend import backend_of
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.migrate import migrate
from teachmatters.store.schema import Base
from tests.store.samples import CKA, DISTANCE, PCK, beside, finish, model, numbers, rows, run, start, store_at

# A revision of the future, which may die when half its work is on the disk.
NEXT = """
import os
import signal
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

def upgrade():
    op.add_column("metrics", sa.Column("colour", sa.Text, nullable=False, server_default="red"))
    op.create_table("filler", sa.Column("x", sa.Text))
    if op.get_bind().dialect.name == "sqlite":
        op.get_bind().exec_driver_sql("PRAGMA cache_size = 1")
        op.execute("INSERT INTO filler WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000) "
                   "SELECT hex(zeroblob(200)) FROM n")
    op.execute("UPDATE records SET value = value * 2")
    if os.environ.get("DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("FAIL"):
        raise RuntimeError("halfway")
"""


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations with one more."""
    folder = tmp_path / "100% scripts"
    shutil.copytree(module.SCRIPTS, folder)
    (folder / "versions" / "v0004_next.py").write_text(NEXT)
    monkeypatch.setattr(module, "SCRIPTS", folder)
    monkeypatch.setattr(public, "REVISIONS", (*public.REVISIONS, "0004"))
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store of today's revision with rows in it; asked for before ``scripts``."""
    return store_at(tmp_path / "r.db", (run(DISTANCE), numbers("attn-distance", 1, 2)))


@pytest.fixture
def aged(place: StoreLocation) -> StoreLocation:
    """The same, as a file and in a database."""
    return store_at(place, (run(DISTANCE), numbers("attn-distance", 1, 2)))


def test_the_known_revisions_equal_the_files() -> None:
    from alembic.script import ScriptDirectory

    there = [script.revision for script in ScriptDirectory(str(module.SCRIPTS)).walk_revisions()]
    assert list(public.REVISIONS) == there[::-1]
    assert head() == there[0]


def test_migrations_create_the_schema_of_the_models(place: StoreLocation) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    path = store_at(place)
    with backend_of(path).writing_engine(1).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": public.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    if isinstance(path, Server):
        return
    keyed = rows(path, "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%' ORDER BY name")
    modelled = [(t.name,) for t in Base.metadata.sorted_tables if t.dialect_options["sqlite"]["with_rowid"] is False]
    assert keyed == sorted(modelled)


def test_the_migrations_are_packaged() -> None:
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert settings["tool"]["setuptools"]["packages"]["find"]["include"] == ["teachmatters*"]
    for folder in (module.SCRIPTS, module.SCRIPTS / "versions"):
        assert (folder / "__init__.py").exists()
        assert {path.suffix for path in folder.iterdir() if path.is_file()} == {".py"}


@pytest.mark.parametrize("content", ["none", "0 bytes", "no tables"])
def test_migrating_from_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.db"
    if content != "none":
        path.touch()
        assert backend_of(path).revision() is None
    if content == "no tables":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 0")
            connection.execute("VACUUM")
    store_at(path, (run(DISTANCE), numbers("attn-distance", 1)))
    assert backend_of(path).revision() == head()


def test_migrating_an_older_store_with_rows(aged: StoreLocation, scripts: Path) -> None:
    old = aged
    assert backend_of(old).revision() == "0003"
    assert info(old)["needs_migration"] is True
    assert query(old, "SELECT value FROM results").rows == [(1.0,), (2.0,)]
    assert migrate(old) == "0003"
    assert query(old, "SELECT value FROM results").rows == [(2.0,), (4.0,)]
    assert (backend_of(old).revision(), info(old)["needs_migration"]) == ("0004", False)
    assert migrate(old) == "0004"
    assert query(old, "SELECT value FROM results").rows == [(2.0,), (4.0,)]
    assert rows(old, "SELECT colour FROM metrics") == [("red",)]
    assert isinstance(old, Server) or beside(old) == ["r.db"]


def test_opening_for_writing_migrates(aged: StoreLocation, scripts: Path) -> None:
    old = aged
    with Store.open(old) as store:
        store.record(run(DISTANCE, of=model("b")), numbers("attn-distance", 5))
    assert [row[0] for row in query(old, "SELECT value FROM results ORDER BY 1").rows] == [2, 4, 5]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_migration_keeps_the_journal_mode(old: Path, scripts: Path, mode: str) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    migrate(old)
    assert info(old)["journal_mode"] == mode


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


HALFWAY = """
from teachmatters.store import migrate as module, public
module.SCRIPTS, public.REVISIONS = Path(sys.argv[2]), (*public.REVISIONS, '0004')
os.environ[sys.argv[3]] = '1'
module.migrate(plain_path(sys.argv[1]))
"""


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("end", ["DIE", "FAIL"])
def test_a_migration_that_ends_halfway_changes_nothing(old: Path, scripts: Path, mode: str, end: str) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    before = _dump(old)
    status, error = finish(start(HALFWAY, old, scripts, end))
    assert (status, "halfway" in error) == ((-signal.SIGKILL, False) if end == "DIE" else (1, True)), error
    if end == "DIE":
        journal = old.with_name("r.db-journal" if mode == "delete" else "r.db-wal")
        assert journal.stat().st_size > 1000  # it had truly begun
        files = [(path, path.read_bytes()) for path in (old, journal)]
        with closing(connect(old)) as reading:
            assert list(reading.iterdump()) == before
        assert [(path, path.read_bytes()) for path in (old, journal)] == files, "a reader leaves it as it is"
    assert _dump(old) == before
    assert migrate(old) == "0003"
    assert query(old, "SELECT value FROM results").rows == [(2.0,), (4.0,)]


@pytest.mark.parametrize("end", ["DIE", "FAIL"])
def test_a_migration_of_a_server_that_ends_halfway_changes_nothing(server: Server, scripts: Path, end: str) -> None:
    tables = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    with pytest.MonkeyPatch.context() as today:
        today.setattr(public, "REVISIONS", public.REVISIONS[:-1])
        today.setattr(module, "SCRIPTS", Path(module.__file__).parent / "migrations")
        store_at(server, (run(DISTANCE), numbers("attn-distance", 1, 2)))
    before = sorted(rows(server, tables))
    status, error = finish(start(HALFWAY, server, scripts, end))
    assert (status, "halfway" in error) == ((-signal.SIGKILL, False) if end == "DIE" else (1, True)), error
    assert sorted(rows(server, tables)) == before
    assert rows(server, "SELECT value FROM results ORDER BY 1") == [(1.0,), (2.0,)]
    assert migrate(server) == "0003"
    assert query(server, "SELECT value FROM results ORDER BY 1").rows == [(2.0,), (4.0,)]


def test_killed_while_the_store_is_made(place: StoreLocation, scripts: Path) -> None:
    code = (
        "from teachmatters.store import migrate as module, public\n"
        "module.SCRIPTS, public.REVISIONS = Path(sys.argv[2]), (*public.REVISIONS, '0004')\n"
        "os.environ['DIE'] = '1'\n"
        "Store.open(sys.argv[1])\n"
    )
    path = place
    assert finish(start(code, path, scripts))[0] == -signal.SIGKILL
    store_at(path, (run(DISTANCE), numbers("attn-distance", 1)))
    assert query(path, "SELECT value FROM results").rows == [(1.0,)]
    assert isinstance(path, Server) or beside(path) == ["r.db"]


def test_inconsistent_rows_stop_a_migration(old: Path, scripts: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("DELETE FROM recorded")
        connection.commit()
    before = _dump(old)
    with pytest.raises(TeachMattersError, match="are inconsistent"):
        migrate(old)
    assert _dump(old) == before


def test_a_store_that_is_up_to_date_opens_without_alembic(old: Path) -> None:
    code = "Store.open(Path(sys.argv[1])).close()\nassert 'alembic' not in sys.modules\n"
    assert finish(start(code, old)) == (0, "")


def test_info_counts_what_the_view_shows(place: StoreLocation, tmp_path: Path) -> None:
    same, other = model("a"), model("b")
    path = store_at(
        place,
        (run(DISTANCE), numbers("attn-distance", 1, 2, 3)),
        (run(DISTANCE), numbers("attn-distance", 1, 2)),
        (run(CKA, of=same, other=other), numbers("cka", 1, 2, 3, 4, other_layer=1)),
        (run(CKA, of=same, other=same), numbers("cka", 1, other_layer=1)),
        (run(PCK), numbers("pck-0.10", 1, 2, protocol="official")),
    )
    assert info(path)["results"] == rows(path, "SELECT count(*) FROM results")[0][0] == 2 + 2 * 4 + 1 + 2
    store_at(tmp_path / "none.db")
    assert info(tmp_path / "none.db")["results"] == 0


def test_info(old: Path) -> None:
    assert info(old) == {
        "path": str(old),
        "bytes": old.stat().st_size,
        "revision": head(),
        "needs_migration": False,
        "journal_mode": "wal",
        "runs": 1,
        "results": 2,
        "maps": 0,
        "models": 1,
        "datasets": 1,
        "metrics": 1,
    }


def test_migrating_creates_no_store(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="no results store at"):
        migrate(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []
