"""Checks a PostgreSQL database: the schema of its store, its revision, and the rights of this user."""

from __future__ import annotations

import contextlib

from teachmatters.errors import TeachMattersError
from teachmatters.store import public
from teachmatters.store.location import Server
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.revisions import known_revision

# The schema of the store, anywhere on the search path; if there is no store, the schema in which it will be made.
HOME = f"""
SELECT coalesce(
    (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('{public.VERSION_TABLE}')),
    to_regnamespace(quote_ident(current_schema()))::oid,
    0
)
"""
# A server may limit the time of statements, but storing a run and reading a whole store must not be interrupted.
UNHURRIED = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"


def revision_of(server: Server, connection: postgres.Connection) -> str | None:
    """Return the revision of the store that a connection sees, None for an empty schema.

    Raises:
        TeachMattersError: the schema holds something else, or a store newer than this code.
    """
    sql = "SELECT to_regclass(%s) IS NOT NULL, count(*) FROM pg_class WHERE relnamespace::regnamespace::text = "
    sql += "quote_ident(current_schema()) AND relkind IN ('r', 'p', 'v', 'm')"
    try:
        connection.execute(UNHURRIED)
        ours, others = connection.execute(sql, (public.VERSION_TABLE,)).fetchall()[0]
        if not ours:
            _check_schema(server, connection)
            if others:
                raise TeachMattersError(
                    f"{server} has tables that do not belong to a results store. With --db, name a separate database "
                    "or schema (?options=-csearch_path%3DNAME)"
                )
            return None
        row = connection.execute(f"SELECT version_num FROM {public.VERSION_TABLE}").fetchone()
    except postgres.driver().Error as error:
        if reason := postgres.plain_error(server, error):
            raise reason from error
        raise
    return known_revision(server, row)


_PATH = """
SELECT name, to_regnamespace(name) IS NOT NULL
FROM unnest(string_to_array(current_setting('search_path'), ',')) AS given, trim(given) AS name
WHERE current_schema() IS NULL AND name NOT IN ('$user', '"$user"', '', '""')
"""


def _check_schema(server: Server, connection: postgres.Connection) -> None:
    """Check that there is a schema in which a store can be made."""
    for name, there in connection.execute(_PATH.encode()).fetchall():
        raise TeachMattersError(
            f"{server}: this user may not use the schema {name}. Ask the owner to grant USAGE on it, or name another"
            if there
            else f"{server}: there is no schema {name} in this database. Make it with 'CREATE SCHEMA {name}'"
        )


def no_store(server: Server) -> TeachMattersError:
    """Return the error for a database without a store."""
    return TeachMattersError(f"there is no results store in {server}. 'tm analyze --db {server} ...' creates one")


_MAY = {
    True: "has_schema_privilege(current_schema(), 'CREATE')",
    False: "has_table_privilege('records', 'INSERT') AND has_table_privilege('recorded', 'UPDATE')",
}


def check_writable(server: Server) -> None:
    """Check that a store can be written or made.

    Raises:
        TeachMattersError: the server cannot be reached or is read-only, the user may not write, or the database is not
            encoded in UTF-8.
    """
    with contextlib.closing(postgres.connect(server)) as connection:
        new = revision_of(server, connection) is None
        sql = f"SELECT {_MAY[new]}, current_setting('transaction_read_only'), current_setting('server_encoding')"
        may, read_only, encoding = connection.execute(sql).fetchall()[0]
    if read_only == "on":
        raise TeachMattersError(f"{server} {postgres.STATES['25006']}")
    if not may:
        raise TeachMattersError(
            f"{server}: this user may not {'create tables' if new else 'add to the store'}. Ask the owner to grant it, "
            "or name another user with --db"
        )
    if encoding != "UTF8":
        raise TeachMattersError(
            f"{server} is encoded in {encoding}, which lacks characters that names may contain. Name a database in "
            "UTF8 ('createdb --encoding=UTF8 --template=template0')"
        )


def check_owner(server: Server) -> None:
    """Check that the user owns the store: a merge sets sequences, updates statistics and deletes rows.

    Raises:
        TeachMattersError: the server cannot be reached, or the store belongs to another user.
    """
    with contextlib.closing(postgres.connect(server)) as connection:
        if revision_of(server, connection) is None:
            return
        sql = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('run_facts')"
        if connection.execute(sql).fetchall() != [(True,)]:
            raise TeachMattersError(
                f"{server}: only its owner may merge into a store. Ask the owner, or name another user with --db"
            )
