"""Addresses of PostgreSQL databases: checks them, and removes secrets before they are shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

from teachmatters.errors import TeachMattersError

_POSTGRES = re.compile(r"(postgres|postgresql|postgresql\+psycopg)://", re.IGNORECASE)
_MISTYPED = re.compile(r"postgres(ql)?(\+\w+)?(:|//|/.*@)", re.IGNORECASE)
_KEYS = re.compile(r"(?:\A|(?<=\s))(\w+)\s*=")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# The pattern is strict, because a part that is misread as a host or database could be a password and would be shown.
_PARTS = re.compile(
    r"((?P<user>[^:@/?#\s]*)(:[^:@/?#\s]*)?@)?(?P<hosts>[\w.,:%\[\]-]*)/(?P<name>[^:@/?#\s]+)(?P<query>\?[^@?#\s]*)?"
)
_PORTS = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(:(?P<port>[0-9]*))?")
# The parameters that are shown. Others, including those of future versions of PostgreSQL, may be secrets.
_SHOWN = frozenset(
    (
        *("host", "hostaddr", "port", "dbname", "user", "service", "options", "application_name", "connect_timeout"),
        *("target_session_attrs", "load_balance_hosts", "sslmode", "sslnegotiation", "sslrootcert", "sslcert"),
        *("sslkey", "sslcrl", "passfile", "require_auth", "channel_binding", "gssencmode", "krbsrvname"),
        "tcp_user_timeout",
    )
)
_NAMELESS = re.compile(r"/?(\?.*)?\Z")
SHAPE = "postgresql://user:password@host/database"


def whole(text: str) -> str | None:
    """Return the address in the form that PostgreSQL's library accepts, None for any other text.

    Raises:
        TeachMattersError: the address is incomplete or mistyped; it may hold a password and is not shown.

    >>> whole("PostgreSQL+psycopg://me@lab/results"), whole("results.db")
    ('postgresql://me@lab/results', None)
    """
    if scheme := _POSTGRES.match(text):
        rest = text[scheme.end() :]
        if (problem := _problem(rest)) is not None:
            raise TeachMattersError(
                f"'postgresql://...' is not a complete address of a PostgreSQL database{problem}. Give --db {SHAPE}, "
                "with special characters of a password written as %40 for @, %3A for :, %2F for /, %23 for #, %3F "
                "for ?, %25 for %"
            )
        return f"postgresql://{rest}"
    if not _URL.match(text) and (beginning := _mistyped_beginning(text)):
        raise TeachMattersError(f"'{beginning}...' is not an address of a PostgreSQL database. Give --db {SHAPE}")
    return None


def _problem(rest: str) -> str | None:
    """Return what is wrong after the scheme: empty if that is unclear, None if nothing is wrong."""
    parts = _PARTS.fullmatch(rest)
    if parts is None:
        named = _PARTS.fullmatch(_NAMELESS.sub(r"/name\1", rest, count=1))
        return ": it names no database" if named else ""
    hosts = [_PORTS.fullmatch(host) for host in parts["hosts"].split(",")]
    if not all(hosts):
        return ""
    ports = [int(host["port"]) for host in hosts if host and host["port"]]
    return None if all(1 <= port <= 65535 for port in ports) else ": a port is 1 to 65535"


def _mistyped_beginning(text: str) -> str | None:
    """Return the beginning of a mistyped address (one slash, or key=value pairs), None for any other text."""
    if _MISTYPED.match(text):
        return "postgresql"
    keys = {key.lower() for key in _KEYS.findall(text)} if _KEYS.match(text) else set()
    return "key=value " if keys & {*_SHOWN, "password"} else None


def name(url: str) -> str:
    """Return the name of the database of a complete address."""
    return unquote(_parts(url)["name"])


def shown(url: str) -> str:
    """Return a complete address without anything that may be secret."""
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
