"""Makes and migrates stores, and describes their content."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store import public
from teachmatters.store.backend import Backend, backend_of, plain_errors
from teachmatters.store.location import StoreLocation
from teachmatters.store.revisions import head, known_revision

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent / "migrations"
WAIT = 10.0  # seconds; a locked store should be reported before hours of work, not after


def migrate(path: StoreLocation) -> str | None:
    """Migrate an existing store in one transaction, and return the revision that it had.

    Raises:
        TeachMattersError: there is no store, or it is newer than this code, locked or not writable.
    """
    backend = backend_of(path)
    backend.check_readable()
    return prepare(path, WAIT)


def prepare(path: StoreLocation, patience: float) -> str | None:
    """Make a store in a new or empty file or database, or migrate an older one; see migrate."""
    with prepared(path, patience) as (_, before):
        return before


@contextlib.contextmanager
def prepared(path: StoreLocation, patience: float) -> Iterator[tuple[Connection, str | None]]:
    """Open a transaction in which the store is up to date; it is made or migrated when the transaction commits.

    Yields:
        the connection, and the revision that the store had. If the transaction fails, no empty new file remains.
    """
    backend = backend_of(path)
    backend.check_writable()
    with backend.making(), _upgraded(path, backend, patience) as found:
        yield found


@contextlib.contextmanager
def _upgraded(path: StoreLocation, backend: Backend, patience: float) -> Iterator[tuple[Connection, str | None]]:
    with plain_errors(path), backend.writing_engine(patience, tables_only=True).begin() as connection:
        before = _recorded_revision(connection)
        if before is not None:
            known_revision(path, (before,))  # checked under the lock, so nobody else can change it
        if before != head():
            _upgrade(connection)
        yield connection, before


def info(path: StoreLocation) -> dict[str, Any]:
    """Return what ``tm db info`` shows: path, size and revision of the store, and its counts."""
    backend = backend_of(path)
    found = backend.info(_COUNTS)
    return {**found, "needs_migration": found["revision"] != head()}


# The numbers are counted in the tables, which are those of every revision. A pair of different models is one row of the
# table and two rows of the view.
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
_COUNTS = {
    "runs": "SELECT count(*) FROM runs",
    "results": _RESULTS,
    "maps": "SELECT count(*) FROM maps",
    "models": "SELECT count(label) FROM (SELECT model AS label FROM runs UNION SELECT other_model FROM runs) AS labels",
    "datasets": "SELECT count(DISTINCT dataset) FROM runs",
    "metrics": "SELECT count(DISTINCT name) FROM metrics",
}


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
        raise TeachMattersError("the store's rows are inconsistent: it was damaged before. Restore a backup")
