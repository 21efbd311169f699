"""Bringing a store up to date, and telling what is in it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store import public
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.postgres import checks as postgres_checks
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.sqlite import files
from teachmatters.store.sqlite.files import check_readable, known_revision, recover, revision_of
from teachmatters.store.sqlite.read_connection import connect

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent / "migrations"
WAIT = 10.0  # seconds: a store that is locked should be found before hours of work, not after


def head() -> str:
    """The latest revision that this code knows."""
    return public.REVISIONS[-1]


def revision(path: StoreLocation) -> str | None:
    """The revision of a store, None for an empty file or database.

    Raises:
        TeachMattersError: not a store, or newer than this code.
    """
    if isinstance(path, Server):
        with contextlib.closing(postgres.connect(path)) as session:
            return postgres_checks.revision_of(path, session)
    if path.is_file() and path.stat().st_size == 0:
        return None
    with contextlib.closing(connect(path, empty=True)) as connection:
        return revision_of(path, connection)


def check_writable(path: StoreLocation) -> None:
    """Refuse what cannot be made into a store, before anything is written.

    Raises:
        TeachMattersError: see files.py; a file that is not a store, or newer than this code.
    """
    files.check_writable(path)
    if isinstance(path, Path) and path.exists():
        revision(path)


def migrate(path: StoreLocation) -> str | None:
    """Bring an existing store up to date, in one transaction. Returns the revision that it had.

    Raises:
        TeachMattersError: nothing there, not a store, newer than this code, locked, or not to be written.
    """
    check_readable(path)
    if isinstance(path, Server) and revision(path) is None:
        raise postgres_checks.no_store(path)
    return prepare(path, WAIT)


def prepare(path: StoreLocation, patience: float) -> str | None:
    """Make a store of a new or empty file or database, bring an older one up to date; see migrate."""
    with prepared(path, patience) as (_, before):
        return before


@contextlib.contextmanager
def prepared(path: StoreLocation, patience: float) -> Iterator[tuple[Connection, str | None]]:
    """One transaction on a store that is up to date in it: made, or migrated, if the transaction is.

    Gives the connection, and the revision that the store had. A file that was not there is not left behind empty.
    """
    from teachmatters.store.sqlite.connection import plain_errors

    check_writable(path)
    if isinstance(path, Server):
        with _upgraded(path, patience) as found:
            yield found
        return
    new = not path.exists()
    with plain_errors(path):
        recover(path)
    try:
        with _upgraded(path, patience) as found:
            yield found
    except BaseException:
        if new and path.exists() and path.stat().st_size == 0:
            path.unlink()
        raise


@contextlib.contextmanager
def _upgraded(path: StoreLocation, patience: float) -> Iterator[tuple[Connection, str | None]]:
    from teachmatters.store.sqlite.connection import plain_errors, writing_engine

    with plain_errors(path), writing_engine(path, patience, tables_only=True).begin() as connection:
        before = _recorded_revision(connection)
        if before is not None:
            known_revision(path, (before,))  # now that nobody else can change it
        if before != head():
            _upgrade(connection)
        yield connection, before


def info(path: StoreLocation) -> dict[str, Any]:
    """What ``tm db info`` shows: the store, its revision, and how much is in it."""
    if isinstance(path, Server):
        return _server_info(path)
    with contextlib.closing(connect(path, empty=True)) as connection:
        found = revision_of(path, connection)
        return {
            "path": str(path),
            "bytes": path.stat().st_size,
            "revision": found,
            "needs_migration": found != head(),
            "journal_mode": _one(connection, "PRAGMA journal_mode"),
            **{name: _one(connection, sql) if found else 0 for name, sql in _counts(found).items()},
        }


def _server_info(server: Server) -> dict[str, Any]:
    with contextlib.closing(postgres.connect(server)) as connection:
        found = postgres_checks.revision_of(server, connection)
        if found is None:
            raise postgres_checks.no_store(server)

        def one(sql: str) -> Any:
            return connection.execute(sql.encode()).fetchall()[0][0]

        return {
            "path": str(server),
            "bytes": int(one(_BYTES)),
            "revision": found,
            "needs_migration": found != head(),
            "server_version": one("SHOW server_version"),
            **{name: int(one(sql)) for name, sql in _counts(found).items()},
        }


_BYTES = f"""
SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
WHERE relnamespace = ({postgres_checks.HOME}) AND relkind = 'r'
"""
_COUNTS = {
    "runs": "SELECT count(*) FROM runs",
    "results": "SELECT count(*) FROM results",
    "maps": "SELECT count(*) FROM maps",
    "models": "SELECT count(label) FROM (SELECT model AS label FROM runs UNION SELECT other_model FROM runs) AS labels",
    "datasets": "SELECT count(DISTINCT dataset) FROM runs",
    "metrics": "SELECT count(DISTINCT name) FROM metrics",
}


# A pair of different models is one row of the table and two of the view. Ten times as fast as to count the view's.
_RESULTS = """
SELECT coalesce(sum(
    CASE WHEN run.other_model <> '' AND run.other_model <> run.model THEN 2 ELSE 1 END * (
        SELECT count(*)
        FROM records AS number
        WHERE number.run_id = recorded.run_id AND number.metric_id = recorded.metric_id
            AND number.protocol = recorded.protocol
    )
), 0)
FROM recorded
JOIN run_facts AS run ON run.id = recorded.run_id
WHERE recorded.is_newest = 1
"""


def _counts(revision: str | None) -> dict[str, str]:
    """A query for each count; of the tables only today's are known."""
    return {**_COUNTS, "results": _RESULTS} if revision == head() else _COUNTS


def _one(connection: sqlite3.Connection, sql: str) -> Any:
    return connection.execute(sql).fetchone()[0]


def _recorded_revision(connection: Connection) -> str | None:
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table(public.VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {public.VERSION_TABLE}")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=public.VERSION_TABLE)
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
        raise TeachMattersError("the store's rows do not fit together: it was damaged before. Restore a copy")
