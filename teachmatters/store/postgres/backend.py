"""A store in a PostgreSQL database."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import Server
from teachmatters.store.postgres import checks, reader
from teachmatters.store.postgres import connection as postgres

if TYPE_CHECKING:
    from sqlalchemy import Engine

_BYTES = f"""
SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
WHERE relnamespace = ({checks.HOME}) AND relkind = 'r'
"""


class PostgresBackend:
    """See :class:`teachmatters.store.backend.Backend`."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def exists(self) -> bool:
        """Return whether the database holds a store."""
        return self.revision() is not None

    def check_readable(self) -> None:
        """Check that the database holds a store."""
        if self.revision() is None:
            raise checks.no_store(self.server)

    def check_writable(self) -> None:
        """Check that a store can be written or made."""
        checks.check_writable(self.server)

    def check_mergeable(self) -> None:
        """Check that the user owns the store."""
        checks.check_owner(self.server)

    def revision(self) -> str | None:
        """Return the revision of the store."""
        with contextlib.closing(postgres.connect(self.server)) as connection:
            return checks.revision_of(self.server, connection)

    def writing_engine(self, patience: float, *, tables_only: bool = False) -> Engine:
        """Return an engine that writes the store; ``tables_only`` makes no difference here."""
        from teachmatters.store.postgres.write_connection import writing_engine

        return writing_engine(self.server, patience)

    def reading_engine(self) -> Engine:
        """Return an engine whose transactions that only read take no lock."""
        reader.reading(self.server).close()
        return self.writing_engine(0)

    def making(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing: PostgreSQL rolls back everything."""
        return contextlib.nullcontext()

    def stream(self, sql: str, timeout: float) -> contextlib.AbstractContextManager[reader.ServerStream]:
        """Run one SELECT."""
        return reader.stream(self.server, sql, timeout=timeout)

    def info(self, counts: dict[str, str]) -> dict[str, Any]:
        """Return address, size, revision, the server's version and counts."""
        with contextlib.closing(postgres.connect(self.server)) as connection:
            found = checks.revision_of(self.server, connection)
            if found is None:
                raise checks.no_store(self.server)

            def one(sql: str) -> Any:
                return connection.execute(sql.encode()).fetchall()[0][0]

            return {
                "path": str(self.server),
                "bytes": int(one(_BYTES)),
                "revision": found,
                "server_version": one("SHOW server_version"),
                **{name: int(one(sql)) for name, sql in counts.items()},
            }

    def compact(self) -> tuple[int, int]:
        """Raise an error, because a server compacts its databases itself."""
        raise TeachMattersError(
            f"{self.server} is not a file and needs no compacting: PostgreSQL's own 'VACUUM' does it. 'tm db merge "
            f"{self.server} --into FILE.db' copies it to a file"
        )

    def plain_error(self, error: BaseException | None) -> TeachMattersError | None:
        """Return PostgreSQL's error as one line."""
        return postgres.plain_error(self.server, error)
