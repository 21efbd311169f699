"""Where the store is: ``--db``, else TM_DB, else ``./results.db``; a file, or a database of a PostgreSQL server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from teachmatters.errors import TeachMattersError
from teachmatters.store.postgres import address

DEFAULT = "results.db"

_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///(?P<path>.+)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


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
        return address.name(self.url)

    def __str__(self) -> str:
        return address.shown(self.url)

    def __repr__(self) -> str:
        return f"Server({str(self)!r})"


StoreLocation: TypeAlias = Path | Server
"""Where a store is."""


def writing_path(db: str | None) -> StoreLocation:
    """The store that ``analyze`` writes; it need not exist.

    Args:
        db: the value of ``--db``, a path, a ``sqlite:///`` URL or a ``postgresql://`` URL.

    Raises:
        TeachMattersError: a URL of something else, or an empty text.

    >>> writing_path("sqlite:///trial.db").name
    'trial.db'
    """
    return _explicit(db) or Path(DEFAULT)


def reading_path(db: str | None) -> tuple[StoreLocation, str | None]:
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


def plain_path(path_or_url: str | StoreLocation) -> StoreLocation:
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
    if server := address.whole(text):
        return Server(server)
    if scheme := _URL.match(text):  # the rest of a URL may hold a password
        raise TeachMattersError(
            f"'{scheme[0]}...' is not supported: a results store is a SQLite file or a PostgreSQL database. Give --db "
            f"a path, or {address.SHAPE}"
        )
    return Path(given).expanduser()


def _explicit(db: str | None) -> StoreLocation | None:
    given = db if db is not None else os.environ.get("TM_DB") or None
    return None if given is None else plain_path(given)
