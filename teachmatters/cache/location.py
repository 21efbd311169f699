"""Where the cache lies: beside the store, or where TM_CACHE says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

VARIABLE = "TM_CACHE"
SUFFIX = ".cache"


class Named(Protocol):
    """What has a name and no folder: a database of a server."""

    @property
    def name(self) -> str:
        """Its name."""


def cache_folder(db: Path | Named) -> Path:
    """The folder of a store's cache; it need not exist.

    Args:
        db: the store, a file or a database of a server.

    Returns:
        TM_CACHE, else the store's name with ``.cache`` added: beside a file, of a database in the current folder.

    >>> cache_folder(Path("runs/results.db")).as_posix()
    'runs/results.db.cache'
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser()
    if isinstance(db, Path):
        return db.with_name(db.name + SUFFIX)
    return Path(re.sub(r"[^\w.-]+", "-", db.name) + SUFFIX)
