"""SQLAlchemy on a PostgreSQL database, with one writer of a store at a time."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from teachmatters.store.location import Server
from teachmatters.store.postgres import checks
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.public import READING

# One writer at a time of a store, until its transaction ends: what BEGIN IMMEDIATE is to a file. It is the lock of a
# table, which only a user who may write it can take: nobody who only reads can keep the writers waiting.
LOCK = "LOCK TABLE recorded IN SHARE ROW EXCLUSIVE MODE"
# Before there is a table, the makers of a store wait for each other by the schema that it will be in. 29805 is "tm".
_MAKING = f"SELECT pg_advisory_xact_lock(29805, ({checks.HOME})::int)"


def writing_engine(server: Server, patience: float) -> Engine:
    """Return an engine whose every transaction holds the write lock from its beginning.

    Args:
        server: the database.
        patience: seconds to wait for another writer.
    """
    postgres.driver()  # says how to get it
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
