"""Where the cache lies: beside the store, or where TM_CACHE says."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TM_CACHE"
SUFFIX = ".cache"


def cache_folder(db: Path | str) -> Path:
    """The folder of a store's cache; it need not exist.

    Args:
        db: the store, a file or the URL of a server.

    Returns:
        TM_CACHE, else the file's name with ``.cache`` added, else ``tm.cache`` in the current folder.

    >>> cache_folder("postgresql://host/results").name
    'tm.cache'
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser()
    if "://" in str(db):
        return Path("tm.cache")
    path = Path(db)
    return path.with_name(path.name + SUFFIX)
