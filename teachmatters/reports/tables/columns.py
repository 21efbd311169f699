"""What a query's columns hold: SQLite has types for values only, tables elsewhere for columns."""

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
    """The kind of each column, by all of its values; one with nothing but NULL is what the views say of its name.

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
