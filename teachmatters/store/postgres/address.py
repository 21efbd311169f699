"""Addresses of databases of PostgreSQL servers: which are whole, and what of one may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

from teachmatters.errors import TeachMattersError

_POSTGRES = re.compile(r"(postgres|postgresql|postgresql\+psycopg)://", re.IGNORECASE)
_MISTYPED = re.compile(r"postgres(ql)?(\+\w+)?(:|//|/.*@)", re.IGNORECASE)
_KEYS = re.compile(r"(?:\A|(?<=\s))(\w+)\s*=")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Strict, for what is not understood here could be shown as part of a host or a database though it is of a password.
_PARTS = re.compile(
    r"((?P<user>[^:@/?#\s]*)(:[^:@/?#\s]*)?@)?(?P<hosts>[\w.,:%\[\]-]*)/(?P<name>[^:@/?#\s]+)(?P<query>\?[^@?#\s]*)?"
)
_PORTS = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(:(?P<port>[0-9]*))?")
_SHOWN = frozenset(
    (
        *("host", "hostaddr", "port", "dbname", "user", "service", "options", "application_name", "connect_timeout"),
        *("target_session_attrs", "load_balance_hosts", "sslmode", "sslnegotiation", "sslrootcert", "sslcert"),
        *("sslkey", "sslcrl", "passfile", "require_auth", "channel_binding", "gssencmode", "krbsrvname"),
        "tcp_user_timeout",
    )
)
"""Parameters that are shown: others may be secrets, those of a later PostgreSQL too."""
_NAMELESS = re.compile(r"/?(\?.*)?\Z")
SHAPE = "postgresql://user:password@host/database"


def whole(text: str) -> str | None:
    """The address as PostgreSQL's own library takes it, None for what is none.

    Raises:
        TeachMattersError: an address that lacks something, or something that was meant for one; it may hold a password
            and is not shown.

    >>> whole("PostgreSQL+psycopg://me@lab/results"), whole("results.db")
    ('postgresql://me@lab/results', None)
    """
    if scheme := _POSTGRES.match(text):
        rest = text[scheme.end() :]
        if (lacking := _lacking(rest)) is not None:
            raise TeachMattersError(
                f"'postgresql://...' is no whole address of a PostgreSQL database{lacking}. Give --db {SHAPE}, and "
                "write what is special in a password as %40 for @, %3A for :, %2F for /, %23 for #, %3F for ?, "
                "%25 for %"
            )
        return f"postgresql://{rest}"
    if not _URL.match(text) and (meant := _meant(text)):
        raise TeachMattersError(f"'{meant}...' is no address of a PostgreSQL database. Give --db {SHAPE}")
    return None


def _lacking(rest: str) -> str | None:
    """What is wrong with what comes after the scheme, empty where it cannot be told, None where nothing is."""
    parts = _PARTS.fullmatch(rest)
    if parts is None:
        named = _PARTS.fullmatch(_NAMELESS.sub(r"/name\1", rest, count=1))
        return ": it names no database" if named else ""
    hosts = [_PORTS.fullmatch(host) for host in parts["hosts"].split(",")]
    if not all(hosts):
        return ""
    ports = [int(host["port"]) for host in hosts if host and host["port"]]
    return None if all(1 <= port <= 65535 for port in ports) else ": a port is 1 to 65535"


def _meant(text: str) -> str | None:
    """How a text begins that was meant for an address: with one slash, or as PostgreSQL's library takes pairs."""
    if _MISTYPED.match(text):
        return "postgresql"
    keys = {key.lower() for key in _KEYS.findall(text)} if _KEYS.match(text) else set()
    return "key=value " if keys & {*_SHOWN, "password"} else None


def name(url: str) -> str:
    """The name of the database of a whole address."""
    return unquote(_parts(url)["name"])


def shown(url: str) -> str:
    """A whole address without what may be a secret."""
    parts = _parts(url)
    user = f"{parts['user']}@" if parts["user"] else ""
    pairs = (parts["query"] or "?")[1:].split("&")
    pairs = [pair for pair in pairs if unquote(pair.partition("=")[0]) in _SHOWN]
    query = "?" + "&".join(pairs) if any(pairs) else ""
    return f"postgresql://{user}{parts['hosts']}/{parts['name']}{query}"


def _parts(url: str) -> re.Match[str]:
    parts = _PARTS.fullmatch(url.partition("://")[2])
    assert parts is not None
    return parts
