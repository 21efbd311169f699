"""The location of the cache: next to the store, or TM_CACHE."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

VARIABLE = "TM_CACHE"
SUFFIX = ".cache"


class Named(Protocol):
    """An object with a name and no folder: a database of a server."""

    @property
    def name(self) -> str:
        """Return its name."""


def cache_folder(db: Path | Named) -> Path:
    """Return the folder of a store's cache; it need not exist.

    Args:
        db: the store, a file or a database of a server.

    Returns:
        TM_CACHE, else the store's name with ``.cache`` appended: next to a file; for a database, in the current folder.

    >>> cache_folder(Path("runs/results.db")).as_posix()
    'runs/results.db.cache'
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser()
    if isinstance(db, Path):
        return db.with_name(db.name + SUFFIX)
    return Path(re.sub(r"[^\w.-]+", "-", db.name) + SUFFIX)
