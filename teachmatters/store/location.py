"""The location of the store: ``--db``, else TM_DB, else the configuration's, else ``./results.db``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from teachmatters import config
from teachmatters.errors import TeachMattersError
from teachmatters.store.postgres import address

DEFAULT = "results.db"
BUNDLED = "bundled"  # names the store that comes with the package; ./bundled is a file of that name

_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///(?P<path>.+)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a PostgreSQL server. ``str()`` gives its address without the password.

    Attributes:
        url: the complete address, in the form that PostgreSQL's library accepts.

    >>> server = Server("postgresql://me:secret@lab:5433/results")
    >>> str(server), server.name
    ('postgresql://me@lab:5433/results', 'results')
    """

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """Return the name of the database."""
        return address.name(self.url)

    def __str__(self) -> str:
        return address.shown(self.url)

    def __repr__(self) -> str:
        return f"Server({str(self)!r})"


StoreLocation: TypeAlias = Path | Server


def writing_path(db: str | None) -> StoreLocation:
    """Return the location of the store that ``analyze`` writes; it need not exist.

    Args:
        db: the value of ``--db``, a path, a ``sqlite:///`` URL or a ``postgresql://`` URL.

    Raises:
        TeachMattersError: the text is empty, a URL of something else, or names the bundled store.

    >>> writing_path("sqlite:///trial.db").name
    'trial.db'
    """
    location = _explicit(db)
    if location == bundled_path() and location is not None:
        raise TeachMattersError("the bundled results are only read; name another store with --db, such as my.db")
    return location or Path(DEFAULT)


def reading_path(db: str | None) -> tuple[StoreLocation, str | None]:
    """Return the location of the store that all other commands read, and a sentence if it is the packaged one.

    Raises:
        TeachMattersError: the given file does not exist, or no store was given and there is no default.
    """
    named = _explicit(db)
    if named is not None:
        if isinstance(named, Path) and not named.exists():
            raise TeachMattersError(f"there is no results store at {named}. {_FILL.format(f' --db {named}')}")
        return named, None
    if Path(DEFAULT).exists():
        return Path(DEFAULT), None
    if bundled_path().exists():
        return (
            bundled_path(),
            f"no {DEFAULT} in this folder: reading the results that come with teachmatters (--db {BUNDLED})",
        )
    raise TeachMattersError(
        f"there is no {DEFAULT} in this folder, and neither --db nor TM_DB is set. {_FILL.format('')}"
    )


def bundled_path() -> Path:
    """Return the store that comes with the package, the value ``bundled`` of ``--db``."""
    return Path(__file__).parents[1] / DEFAULT


_FILL = "'tm analyze --model random-s16 --metric attn-distance{}' creates one"


def plain_path(path_or_url: str | StoreLocation) -> StoreLocation:
    """Return the location that a path, a ``sqlite:///`` URL or a ``postgresql://`` URL names.

    >>> plain_path("sqlite:////tmp/trial.db").as_posix()
    '/tmp/trial.db'
    >>> plain_path("postgresql+psycopg://me@lab/results")
    Server('postgresql://me@lab/results')
    """
    if isinstance(path_or_url, Server):
        return path_or_url
    given = str(path_or_url)
    text = given.strip()
    if given == BUNDLED:
        return bundled_path()
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
    given = db if db is not None else config.default("db")
    return None if given is None else plain_path(given)
