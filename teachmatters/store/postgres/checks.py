"""A database of a server as a store: where in it the store is, of which revision, and what this user may do with it."""

from __future__ import annotations

import contextlib

from teachmatters.errors import TeachMattersError
from teachmatters.store import public
from teachmatters.store.location import Server
from teachmatters.store.postgres import connection as postgres
from teachmatters.store.revisions import known_revision

HOME = f"""
SELECT coalesce(
    (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('{public.VERSION_TABLE}')),
    to_regnamespace(quote_ident(current_schema()))::oid,
    0
)
"""
"""The schema that the store is in, somewhere along the search path; before there is one, that in which it is made."""

UNHURRIED = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
"""A server may stop what takes long; a run that is stored, and a store that is read whole, take as long as they do."""


def revision_of(server: Server, connection: postgres.Connection) -> str | None:
    """The revision of the store that a connection sees, None for a schema with nothing in it.

    Raises:
        TeachMattersError: other things than a store are there, or a store newer than this code.
    """
    asked = "SELECT to_regclass(%s) IS NOT NULL, count(*) FROM pg_class WHERE relnamespace::regnamespace::text = "
    asked += "quote_ident(current_schema()) AND relkind IN ('r', 'p', 'v', 'm')"
    try:
        connection.execute(UNHURRIED)
        ours, others = connection.execute(asked, (public.VERSION_TABLE,)).fetchall()[0]
        if not ours:
            _check_schema(server, connection)
            if others:
                raise TeachMattersError(
                    f"{server} holds other tables than a results store's. Name a database, or a schema "
                    "(?options=-csearch_path%3DNAME), of its own with --db"
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
    """Whether there is a schema to make a store in."""
    for name, there in connection.execute(_PATH.encode()).fetchall():
        raise TeachMattersError(
            f"{server}: this user may not use the schema {name}. Ask the owner to grant USAGE on it, or name another"
            if there
            else f"{server}: there is no schema {name} in this database. Make it with 'CREATE SCHEMA {name}'"
        )


def no_store(server: Server) -> TeachMattersError:
    """What is said where a store is needed."""
    return TeachMattersError(f"there is no results store in {server}. 'tm analyze --db {server} ...' makes one")


_MAY = {
    True: "has_schema_privilege(current_schema(), 'CREATE')",
    False: "has_table_privilege('records', 'INSERT') AND has_table_privilege('recorded', 'UPDATE')",
}


def check_writable(server: Server) -> None:
    """Refuse what cannot be made into a store, or be written.

    Raises:
        TeachMattersError: the server cannot be asked, takes no changes, or none from this user; a database that does
            not hold every letter.
    """
    with contextlib.closing(postgres.connect(server)) as connection:
        new = revision_of(server, connection) is None
        asked = f"SELECT {_MAY[new]}, current_setting('transaction_read_only'), current_setting('server_encoding')"
        may, frozen, encoding = connection.execute(asked).fetchall()[0]
    if frozen == "on":
        raise TeachMattersError(f"{server} {postgres.STATES['25006']}")
    if not may:
        raise TeachMattersError(
            f"{server}: this user may not {'make tables' if new else 'add to the store'}. Ask the owner to grant it, "
            "or name another user with --db"
        )
    if encoding != "UTF8":
        raise TeachMattersError(
            f"{server} is encoded in {encoding}, which lacks letters that names may have. Name a database in UTF8 "
            "('createdb --encoding=UTF8 --template=template0')"
        )


def check_owner(server: Server) -> None:
    """Refuse what is not to be merged into: a merge sets sequences, counts rows and deletes some, as owners alone may.

    Raises:
        TeachMattersError: the server cannot be asked, or the store is somebody else's.
    """
    with contextlib.closing(postgres.connect(server)) as connection:
        if revision_of(server, connection) is None:
            return
        asked = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('run_facts')"
        if connection.execute(asked).fetchall() != [(True,)]:
            raise TeachMattersError(
                f"{server}: merging into a store is for its owner. Ask who owns it, or name another user with --db"
            )
