"""The results store: a SQLite file or a PostgreSQL database, written by whole runs, read through four views.

Names are imported on first use, so that reading a store imports neither SQLAlchemy nor Alembic. ``migrate`` is the
module, and its function of that name has to be imported from it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from teachmatters.store.public import REVISIONS, VIEWS

if TYPE_CHECKING:
    from teachmatters.store.backend import backend_of
    from teachmatters.store.location import reading_path, writing_path
    from teachmatters.store.migrate import info
    from teachmatters.store.reader import Rows, query
    from teachmatters.store.revisions import head
    from teachmatters.store.run import Cell, ModelRow, Run
    from teachmatters.store.sqlite.read_connection import connect
    from teachmatters.store.writer import Store

__all__ = [
    "REVISIONS",
    "VIEWS",
    "Cell",
    "ModelRow",
    "Rows",
    "Run",
    "Store",
    "backend_of",
    "connect",
    "head",
    "info",
    "query",
    "reading_path",
    "writing_path",
]

_HOMES = {
    "location": ("reading_path", "writing_path"),
    "backend": ("backend_of",),
    "migrate": ("info",),
    "revisions": ("head",),
    "sqlite.read_connection": ("connect",),
    "reader": ("Rows", "query"),
    "run": ("Cell", "ModelRow", "Run"),
    "writer": ("Store",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
