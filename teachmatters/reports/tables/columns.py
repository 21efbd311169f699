"""The type of each column of a query: SQLite types only values, but file formats need types of columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from teachmatters.store import public

Kind: TypeAlias = Literal["integer", "real", "text", "bytes", "mixed", "nothing"]

_KINDS: dict[frozenset[type], Kind] = {
    frozenset({int}): "integer",
    frozenset({float}): "real",
    frozenset({int, float}): "real",
    frozenset({str}): "text",
    frozenset({bytes}): "bytes",
}


def kinds(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[Kind]:
    """Return the kind of each column from all of its values; for a column of NULLs, from its name in the views.

    >>> kinds(["a", "b", "layer", "c"], [(1, None, None, None), (2.5, "x", None, None)])
    ['real', 'text', 'integer', 'nothing']
    """
    found: list[set[type]] = [set() for _ in columns]
    for row in rows:
        for seen, value in zip(found, row, strict=True):
            seen.add(type(value))
    return [_kind(name, frozenset(seen - {type(None)})) for name, seen in zip(columns, found, strict=True)]


def _kind(name: str, seen: frozenset[type]) -> Kind:
    if seen:
        return _KINDS.get(seen, "mixed")
    if name in public.INTEGERS:
        return "integer"
    if name in public.REALS:
        return "real"
    if name in public.BYTES:
        return "bytes"
    return "text" if name in public.TEXTS else "nothing"
