"""Checks the keys and values of a YAML mapping; each error names the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from teachmatters.errors import did_you_mean, listing
from teachmatters.runner.study.yaml_nodes import SourceLine


class Fields:
    """A mapping with known keys. Every method takes a key and raises an error if its value has the wrong type.

    Args:
        place: the mapping, or the value found in its place.
        allowed: the known keys.
        what: name of the mapping in messages.
        above: values of keys that the mapping lacks.

    Raises:
        TeachMattersError: the value is not a mapping, or has an unknown key.
    """

    def __init__(
        self, place: SourceLine, allowed: Sequence[str], what: str, above: Mapping[str, SourceLine] | None = None
    ) -> None:
        self.place, self.allowed, self.what = place, allowed, what
        may = f"allowed keys: {listing(allowed, most=20)}"
        if not isinstance(place.value, dict):
            raise place.error(f"{what} is a mapping (key: value), not {shown(place)}; {may}")
        for key, value in place.value.items():
            if key not in allowed:
                raise value.error(f"unknown key {key!r} of {what}. {did_you_mean(key, allowed)}{may.capitalize()}")
        self.own = place.value
        self.values = {**(above or {}), **self.own}

    def need(self, key: str) -> SourceLine:
        """Return the value of a required key."""
        if key not in self.values:
            raise self.place.error(f"{self.what} needs {key!r}; allowed keys: {listing(self.allowed, most=20)}")
        return self.values[key]

    def items(self, key: str) -> list[SourceLine]:
        """Return one value or a list of values as a list; it is empty if the key is absent."""
        return listed(self.values[key], key) if key in self.values else []

    def names(self, key: str) -> tuple[SourceLine, ...]:
        """Return one text or a list of texts as a tuple."""
        return tuple(named(item, key) for item in self.items(key))

    def text(self, key: str) -> str | None:
        """Return a nonempty text, None if the key is absent."""
        return str(named(self.values[key], key).value) if key in self.values else None

    def path(self, key: str) -> Path | None:
        """Return a path, relative to the folder of the file."""
        given = self.text(key)
        return None if given is None else self.place.file.parent / Path(given).expanduser()

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """Return one of the allowed words, the first of them if the key is absent."""
        place = self.values.get(key)
        if place is None:
            return allowed[0]
        if place.value not in allowed:
            near = did_you_mean(str(place.value), allowed)
            raise place.error(f"unknown {key} {shown(place)}. {near}Allowed: {', '.join(allowed)}")
        return str(place.value)

    def whole(self, key: str, least: int) -> int | None:
        """Return a whole number, None if the key is absent or ``null``."""
        place = self.values.get(key)
        if place is None or place.value is None:
            return None
        if not isinstance(place.value, int) or isinstance(place.value, bool):
            raise place.error(f"{key!r} must be a whole number, not {shown(place)}")
        if place.value < least:
            raise place.error(f"{key} {place.value}: it must be at least {least}")
        return place.value


def listed(place: SourceLine, key: str) -> list[SourceLine]:
    """Return the items of a list; a single value counts as a list of one.

    Raises:
        TeachMattersError: the list is empty.
    """
    found = place.value if isinstance(place.value, list) else [place]
    if not found or place.value is None:
        raise place.error(f"{key!r} is empty; name at least one")
    return found


def named(place: SourceLine, key: str) -> SourceLine:
    """Return the value, with its line, if it is a text.

    Raises:
        TeachMattersError: the value is empty or not a text.
    """
    if isinstance(place.value, int | float):
        raise place.error(f"{key!r} must be a text, not {shown(place)}; put it in quotes if it is text")
    if not isinstance(place.value, str) or not place.value.strip():
        raise place.error(f"{key!r} must be a text, not {shown(place)}")
    return place


def shown(place: SourceLine) -> str:
    """Return a value as messages show it."""
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(place.value)) or repr(place.value)
