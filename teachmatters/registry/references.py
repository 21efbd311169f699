"""Loads and calls the objects that specs name as ``module:attribute``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from teachmatters.errors import TeachMattersError


def words(error: BaseException) -> str:
    """Return an error on one line, beginning with its type."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def load_object(reference: str) -> Any:
    """Return the object that ``module:attribute`` names.

    Raises:
        TeachMattersError: the module cannot be imported or has no such attribute; both are named.

    >>> load_object("teachmatters.errors:listing")(["a", "b"])
    'a, b'
    """
    module, _, attribute = reference.partition(":")
    what = f"{reference!r}, named by a plugin, cannot be loaded"
    with _one_line(what, ours=_ours(reference)):
        found = importlib.import_module(module)
    if not hasattr(found, attribute):
        raise TeachMattersError(f"{what}: {module} has no {attribute!r}; see 'tm plugins'")
    return getattr(found, attribute)


def call(reference: str, *arguments: Any) -> Any:
    """Call the object that ``module:callable`` names and return its result.

    Raises:
        TeachMattersError: the object cannot be loaded, needs a missing package, or belongs to a plugin and fails.
    """
    function = load_object(reference)
    with _one_line(f"{reference!r}, named by a plugin, failed", ours=_ours(reference)):
        return function(*arguments)


def _ours(reference: str) -> bool:
    return reference.startswith("teachmatters.")


@contextmanager
def _one_line(what: str, *, ours: bool) -> Iterator[None]:
    """Turn failures of a plugin into one line, but of this package only missing imports: its bugs must show."""
    try:
        yield
    except TeachMattersError:
        raise
    except (Exception, SystemExit) as error:  # plugin code may raise anything
        if ours and not isinstance(error, ImportError):
            raise
        raise TeachMattersError(f"{what}: {words(error)}; see 'tm plugins'") from error
