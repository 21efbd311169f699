"""SQLAlchemy on a PostgreSQL database, with one writer of a store at a time."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from teachmatters.store.location import Server
from teachmatters.store.postgres import checks
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.public import READING

# Admits one writer at a time, as BEGIN IMMEDIATE does for a file. Only a user who may write the table can take its
# lock, so that no reader can keep the writers waiting.
LOCK = "LOCK TABLE recorded IN SHARE ROW EXCLUSIVE MODE"
# Before the table exists, the writers that make the store take a lock on its schema. 29805 is "tm".
_MAKING = f"SELECT pg_advisory_xact_lock(29805, ({checks.HOME})::int)"


def writing_engine(server: Server, patience: float) -> Engine:
    """Return an engine whose every transaction holds the write lock from its beginning.

    Args:
        server: the database.
        patience: seconds to wait for another writer.
    """
    postgres.driver()  # raises the error that says how to install it
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: postgres.connect(server), poolclass=NullPool, use_native_hstore=False
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(checks.UNHURRIED)
        if connection.get_execution_options().get(READING):
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(1000 * patience))}")
            _lock(connection)

    return engine


def _lock(connection: Connection) -> None:
    there = "SELECT to_regclass('recorded') IS NOT NULL"
    if not connection.exec_driver_sql(there).scalar():
        connection.exec_driver_sql(_MAKING)
    if connection.exec_driver_sql(there).scalar():  # also where somebody made it meanwhile
        connection.exec_driver_sql(LOCK)
