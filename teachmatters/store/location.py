"""Where the store is: ``--db``, else TM_DB, else ``./results.db``; a file, or a database of a PostgreSQL server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

from teachmatters.errors import TeachMattersError

DEFAULT = "results.db"

_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///(?P<path>.+)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_POSTGRES = re.compile(r"(postgres|postgresql|postgresql\+psycopg)://", re.IGNORECASE)
_MISTYPED = re.compile(r"postgres(ql)?(\+\w+)?(:|//|/.*@)", re.IGNORECASE)
_PAIR = re.compile(r"(?P<key>\w+)\s*=")
# Strict, for what is not understood here could be shown as part of a host or a database though it is of a password.
_PARTS = re.compile(
    r"((?P<user>[^:@/?#\s]*)(:[^:@/?#\s]*)?@)?(?P<hosts>[\w.,:%\[\]-]*)/(?P<name>[^:@/?#\s]+)(?P<query>\?[^@?#\s]*)?"
)
_PORTS = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(:\d*)?")
_SHOWN = frozenset(
    (
        *("host", "hostaddr", "port", "dbname", "user", "service", "options", "application_name", "connect_timeout"),
        *(
            "target_session_attrs",
            "load_balance_hosts",
            "sslmode",
            "sslnegotiation",
            "sslrootcert",
            "sslcert",
            "sslkey",
        ),
        *("sslcrl", "passfile", "require_auth", "channel_binding", "gssencmode", "krbsrvname", "tcp_user_timeout"),
    )
)
"""Parameters that are shown: others may be secrets, those of a later PostgreSQL too."""
_NAMELESS = re.compile(r"/?(\?.*)?\Z")
_SHAPE = "postgresql://user:password@host/database"


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a PostgreSQL server. Its text is an address that holds no password.

    Attributes:
        url: the whole address, as PostgreSQL's own library takes it.

    >>> server = Server("postgresql://me:secret@lab:5433/results")
    >>> str(server), server.name
    ('postgresql://me@lab:5433/results', 'results')
    """

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """The database's name."""
        return unquote(_parts(self.url)["name"])

    def exists(self) -> bool:
        """Whether there is a store in it.

        Raises:
            TeachMattersError: the server cannot be asked.
        """
        from teachmatters.store.postgres_store import holds_store

        return holds_store(self)

    def __str__(self) -> str:
        parts = _parts(self.url)
        user = f"{parts['user']}@" if parts["user"] else ""
        pairs = (parts["query"] or "?")[1:].split("&")
        pairs = [pair for pair in pairs if unquote(pair.partition("=")[0]) in _SHOWN]
        query = "?" + "&".join(pairs) if any(pairs) else ""
        return f"postgresql://{user}{parts['hosts']}/{parts['name']}{query}"

    def __repr__(self) -> str:
        return f"Server({str(self)!r})"


Place: TypeAlias = Path | Server
"""Where a store is."""


def writing_path(db: str | None) -> Place:
    """The store that ``analyze`` writes; it need not exist.

    Args:
        db: the value of ``--db``, a path, a ``sqlite:///`` URL or a ``postgresql://`` URL.

    Raises:
        TeachMattersError: a URL of something else, or an empty text.

    >>> writing_path("sqlite:///trial.db").name
    'trial.db'
    """
    return _explicit(db) or Path(DEFAULT)


def reading_path(db: str | None) -> tuple[Place, str | None]:
    """The store that everything else reads, and a sentence to show when it is not the one expected.

    Raises:
        TeachMattersError: the file that was named does not exist, or none was named and there is none to fall back on.
    """
    named = _explicit(db)
    if named is not None:
        if isinstance(named, Path) and not named.exists():
            raise TeachMattersError(f"there is no results store at {named}. {_FILL.format(f' --db {named}')}")
        return named, None
    if Path(DEFAULT).exists():
        return Path(DEFAULT), None
    packaged = Path(__file__).parents[1] / DEFAULT
    if packaged.exists():
        return packaged, f"no {DEFAULT} in this folder: reading the results that come with teachmatters, {packaged}"
    raise TeachMattersError(f"there is no {DEFAULT} in this folder, and neither --db nor TM_DB. {_FILL.format('')}")


_FILL = "'tm analyze --model random-s16 --metric attn-distance{}' fills one"


def plain_path(path_or_url: str | Place) -> Place:
    """Where a store is, from a path, a ``sqlite:///`` URL or a ``postgresql://`` URL.

    >>> plain_path("sqlite:////tmp/trial.db").as_posix()
    '/tmp/trial.db'
    >>> plain_path("postgresql+psycopg://me@lab/results")
    Server('postgresql://me@lab/results')
    """
    if isinstance(path_or_url, Server):
        return path_or_url
    given = str(path_or_url)
    text = given.strip()
    url = _SQLITE.fullmatch(text)
    if url and url["path"] != ":memory:":
        return Path(url["path"]).expanduser()
    if text in ("", ":memory:"):
        raise TeachMattersError(f"{given!r} names no file. Name one with --db or TM_DB, such as {DEFAULT}")
    if scheme := _POSTGRES.match(text):
        return _server(text[scheme.end() :])
    if scheme := _URL.match(text):  # the rest of a URL may hold a password
        raise TeachMattersError(
            f"'{scheme[0]}...' is not supported: a results store is a SQLite file or a PostgreSQL database. Give --db "
            f"a path, or {_SHAPE}"
        )
    pair = _PAIR.match(text)
    if _MISTYPED.match(text) or (pair and pair["key"] in (*_SHOWN, "password")):  # the rest may hold a password
        raise TeachMattersError(
            f"'{pair[0] if pair else 'postgresql'}...' is no address of a PostgreSQL database. Give --db {_SHAPE}"
        )
    return Path(given).expanduser()


def _server(rest: str) -> Server:
    """What comes after the scheme, which may hold a password and is not shown."""
    url = f"postgresql://{rest}"
    parts = _PARTS.fullmatch(rest)
    hosts = [_PORTS.fullmatch(host) for host in parts["hosts"].split(",")] if parts else [None]
    if not all(hosts):
        reason = ": it names no database" if _PARTS.fullmatch(_NAMELESS.sub(r"/name\1", rest, count=1)) else ""
        raise TeachMattersError(
            f"'postgresql://...' is no whole address of a PostgreSQL database{reason}. Give --db {_SHAPE}, and write "
            "what is special in a password as %40 for @, %3A for :, %2F for /, %23 for #, %3F for ?, %25 for %"
        )
    if not all(1 <= int(host[2][1:]) <= 65535 for host in hosts if host and host[2] and host[2] != ":"):
        raise TeachMattersError(
            f"'postgresql://...' is no whole address of a PostgreSQL database: a port is 1 to 65535. Give --db {_SHAPE}"
        )
    return Server(url)


def _parts(url: str) -> re.Match[str]:
    parts = _PARTS.fullmatch(url.partition("://")[2])
    assert parts is not None
    return parts


def _explicit(db: str | None) -> Place | None:
    given = db if db is not None else os.environ.get("TM_DB") or None
    return None if given is None else plain_path(given)
