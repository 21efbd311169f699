"""Which file is the store: ``--db``, else TM_DB, else ``./results.db``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from teachmatters.errors import TeachMattersError

DEFAULT = "results.db"

_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///(?P<path>.+)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def writing_path(db: str | None) -> Path:
    """The file that ``analyze`` writes; it need not exist.

    Args:
        db: the value of ``--db``, a path or a ``sqlite:///`` URL.

    Raises:
        TeachMattersError: a URL of something other than a SQLite file, or an empty text.

    >>> writing_path("sqlite:///trial.db").name
    'trial.db'
    """
    return _explicit(db) or Path(DEFAULT)


def reading_path(db: str | None) -> tuple[Path, str | None]:
    """The file that everything else reads, and a sentence to show when it is not the one expected.

    Raises:
        TeachMattersError: the file that was named does not exist, or none was named and there is none to fall back on.
    """
    named = _explicit(db)
    if named is not None:
        if not named.exists():
            raise TeachMattersError(f"there is no results store at {named}. {_FILL.format(f' --db {named}')}")
        return named, None
    if Path(DEFAULT).exists():
        return Path(DEFAULT), None
    packaged = Path(__file__).parents[1] / DEFAULT
    if packaged.exists():
        return packaged, f"no {DEFAULT} in this folder: reading the results that come with teachmatters, {packaged}"
    raise TeachMattersError(f"there is no {DEFAULT} in this folder, and neither --db nor TM_DB. {_FILL.format('')}")


_FILL = "'tm analyze --model random-s16 --metric attn-distance{}' fills one"


def plain_path(path_or_url: str | Path) -> Path:
    """A path from a path or a ``sqlite:///`` URL.

    >>> plain_path("sqlite:////tmp/trial.db").as_posix()
    '/tmp/trial.db'
    """
    text = str(path_or_url)
    url = _SQLITE.fullmatch(text)
    if url and url["path"] != ":memory:":
        return Path(url["path"]).expanduser()
    if text in ("", ":memory:"):
        raise TeachMattersError(f"{text!r} names no file. Name one with --db or TM_DB, such as {DEFAULT}")
    if scheme := _URL.match(text):  # the rest of a URL may hold a password
        given = f"{scheme[0]}..."
        raise TeachMattersError(f"{given!r} is not supported: a results store is a SQLite file. Give --db a path")
    return Path(text).expanduser()


def _explicit(db: str | None) -> Path | None:
    given = db if db is not None else os.environ.get("TM_DB") or None
    return None if given is None else plain_path(given)
