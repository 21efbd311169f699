"""The revisions of the store's tables that this code knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teachmatters.errors import TeachMattersError
from teachmatters.store import public
from teachmatters.store.location import StoreLocation


def head() -> str:
    """Return the latest revision that this code knows."""
    return public.REVISIONS[-1]


def known_revision(path: StoreLocation, row: Sequence[Any] | None) -> str:
    """Return the recorded revision of a store.

    Raises:
        TeachMattersError: the store records no revision, or one that this code does not know.
    """
    if row is None:
        raise TeachMattersError(f"{path} is damaged: it has no revision. Restore a backup")
    revision = row[0].decode(errors="replace") if isinstance(row[0], bytes) else str(row[0])
    if revision not in public.REVISIONS:
        raise TeachMattersError(
            f"{path} was written by a newer teachmatters (revision {revision[:20]}; this one knows up to "
            f"{public.REVISIONS[-1]}). Upgrade with 'pip install --upgrade teachmatters'"
        )
    return revision
