"""The store that a command reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.cli import output

if TYPE_CHECKING:
    from teachmatters.store.location import StoreLocation


def reading(db: str | None) -> StoreLocation:
    """Return the store to read, and report it if it is the bundled one by default, or with -v.

    Raises:
        TeachMattersError: it does not exist.
    """
    from teachmatters.store.location import reading_path

    path, remark = reading_path(db)
    if remark:
        output.say(remark)
    output.detail(f"reading {path}")
    return path
