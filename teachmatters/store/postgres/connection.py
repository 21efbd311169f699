"""Connects to a PostgreSQL database, and turns its errors into one line.

Needs the extra ``postgres``; psycopg is imported with the first connection.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.store.location import Server

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import AdaptContext

    Connection = psycopg.Connection[tuple[Any, ...]]

# Defaults that the address may override, in seconds; tcp_user_timeout in milliseconds.
_DEFAULTS = {
    "connect_timeout": 10,
    "application_name": "teachmatters",
    # Without these, the system reports a server that vanished only after hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_AGAIN = "Check that the server runs, and run the same command again: a run is stored whole or not at all"
_PASSWORD = "Give it as postgresql://user:password@..., in PGPASSWORD or in ~/.pgpass"  # noqa: S105 (where one goes)
_LOST = f"the connection was lost. {_AGAIN}"
_ABSENT = "no PostgreSQL server answers there. Check that it runs, and check host and port"
_STARTING = "the server is just starting or stopping. Try again in a moment"
_LET_IN = "the server rejects the login ({}). Ask its administrator, or name another user with --db"
_NO_ANSWER = "no connection ({}). Check that a PostgreSQL server runs there, and check host and port"
_NO_DATABASE = "there is no such database on the server. Make it with 'createdb', or name another with --db"

# Errors before a connection exists have no code, only text.
_REASONS = [
    (r"no password supplied", f"the server asks for a password. {_PASSWORD}"),
    (r"password authentication failed", f"the server rejects this user or password. {_PASSWORD}"),
    (r"database .* does not exist", _NO_DATABASE),
    (r"translate host name|resolve host|[Nn]ame or service not known", "there is no host of that name. Check --db"),
    (r"[Cc]onnection refused|timeout expired|[Tt]imed out|No route to host|unreachable|No such file", _ABSENT),
    (r"too many clients|connection slots", "the server accepts no more connections. Try again later"),
    (r"starting up|shutting down|recovery mode", _STARTING),
]
STATES = {
    "08": _LOST,
    "57P": _LOST,
    "55P03": "is locked by another program. Wait for it to finish, or name another store with --db",
    "3D000": _NO_DATABASE,
    "53100": "could not be written: the server's disk is full. Nothing of this run was stored; free space and retry",
    "53": "the server is short of memory or connections. Nothing of this run was stored; try again later",
    "25P": _LOST,
    "57014": "the server stopped it: its statement_timeout is too short, or somebody cancelled it. Nothing was stored",
    "25006": "cannot be written: the server takes no changes. Name its primary server with --db",
    "54000": "could not be written: a name is longer than PostgreSQL's limit. Nothing of this run was stored",
    "22003": "could not be written: a number is too large, or too near to 0. Nothing of this run was stored",
    "22021": "could not be written: PostgreSQL cannot store text that contains a NUL. Nothing of this run was stored",
}


class GoneError(TeachMattersError):
    """The server does not answer at present; a later attempt may succeed."""


def connect(server: Server, context: AdaptContext | None = None) -> Connection:
    """Return a new connection, which the caller closes.

    Args:
        server: the database.
        context: converts values to Python's; by default psycopg's conversion.

    Raises:
        TeachMattersError: psycopg is not installed, the address is wrong, no server answers or it denies access.
    """
    psycopg = driver()
    try:
        given = psycopg.conninfo.conninfo_to_dict(server.url)
    except psycopg.Error:  # its message may hold the password, so it is not chained
        raise TeachMattersError(
            f"{server} has a parameter that PostgreSQL does not know, or a % that is not followed by two hexadecimal "
            "digits. Write % as %25, and see 'Parameter Key Words' in PostgreSQL's documentation"
        ) from None
    try:
        connection: Connection = psycopg.connect(**{**_DEFAULTS, **given, "client_encoding": "utf8"}, context=context)
    except psycopg.Error as error:
        raise _error(server, ": ", _connection_problem(str(error))) from error
    return connection


def driver() -> ModuleType:
    """Return the module psycopg.

    Raises:
        TeachMattersError: psycopg is not installed.
    """
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise TeachMattersError(
            "a store on a PostgreSQL server needs psycopg; pip install 'teachmatters[postgres]', or give --db a file"
        ) from error
    return psycopg


def _connection_problem(text: str) -> str:
    for pattern, reason in _REASONS:
        if re.search(pattern, text):
            return reason
    if fatal := re.search(r"FATAL:\s+(.+)", text):
        return _LET_IN.format(fatal[1].strip())
    return _NO_ANSWER.format(text.strip().rpartition("failed: ")[2])


def plain_error(server: Server, error: BaseException | None) -> TeachMattersError | None:
    """Return an error of the server as one line for users, None for a bug in this package."""
    psycopg = driver()
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    if state == "42501":
        message = error.diag.message_primary
        return TeachMattersError(f"{server}: {message}. Ask the owner to grant it, or name another user with --db")
    if state == "08P01":  # a query lacked a parameter
        return None
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        state = "08"
    if not state and isinstance(error, psycopg.DataError):
        state = "22021"
    reason = STATES.get(state) or STATES.get(state[:3]) or STATES.get(state[:2])
    return None if reason is None else _error(server, " " if reason[:3] in _VERBS else ": ", reason)


_VERBS = ("is ", "cou", "can")


def _error(server: Server, between: str, reason: str) -> TeachMattersError:
    kind = GoneError if reason in (_LOST, _ABSENT, _STARTING) else TeachMattersError
    return kind(f"{server}{between}{reason}")
