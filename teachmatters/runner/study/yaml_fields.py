"""What the values of a YAML file must be; each error names the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from teachmatters.errors import did_you_mean, listing
from teachmatters.runner.study.yaml_nodes import SourceLine


class Fields:
    """A mapping whose keys are known. Every method takes a key and refuses a value that it cannot have.

    Args:
        place: the mapping, or what stands in its place.
        allowed: its keys.
        what: its name in messages.
        above: what is said where the mapping itself says nothing.

    Raises:
        TeachMattersError: it is no mapping, or has another key.
    """

    def __init__(
        self, place: SourceLine, allowed: Sequence[str], what: str, above: Mapping[str, SourceLine] | None = None
    ) -> None:
        self.place, self.allowed, self.what = place, allowed, what
        may = f"it may say {listing(allowed, most=20)}"
        if not isinstance(place.value, dict):
            raise place.error(f"{what} is a mapping (key: value), not {shown(place)}; {may}")
        for key, value in place.value.items():
            if key not in allowed:
                raise value.error(f"unknown key {key!r} of {what}. {did_you_mean(key, allowed)}{may.capitalize()}")
        self.own = place.value
        self.said = {**(above or {}), **self.own}

    def need(self, key: str) -> SourceLine:
        """What must be said."""
        if key not in self.said:
            raise self.place.error(f"{self.what} needs {key!r}; it may say {listing(self.allowed, most=20)}")
        return self.said[key]

    def items(self, key: str) -> list[SourceLine]:
        """One value or a list of values, none if nothing is said."""
        return listed(self.said[key], key) if key in self.said else []

    def names(self, key: str) -> tuple[SourceLine, ...]:
        """One text or a list of texts."""
        return tuple(named(each, key) for each in self.items(key))

    def text(self, key: str) -> str | None:
        """A text that is not empty."""
        return str(named(self.said[key], key).value) if key in self.said else None

    def path(self, key: str) -> Path | None:
        """A path, relative to the folder of the file that names it."""
        given = self.text(key)
        return None if given is None else self.place.file.parent / Path(given).expanduser()

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of a few words, the first of them if nothing is said."""
        place = self.said.get(key)
        if place is None:
            return allowed[0]
        if place.value not in allowed:
            near = did_you_mean(str(place.value), allowed)
            raise place.error(f"unknown {key} {shown(place)}. {near}Allowed: {', '.join(allowed)}")
        return str(place.value)

    def whole(self, key: str, least: int) -> int | None:
        """A whole number; ``null`` takes back what is said above."""
        place = self.said.get(key)
        if place is None or place.value is None:
            return None
        if not isinstance(place.value, int) or isinstance(place.value, bool):
            raise place.error(f"{key!r} must be a whole number, not {shown(place)}")
        if place.value < least:
            raise place.error(f"{key} {place.value}: it must be at least {least}")
        return place.value


def listed(place: SourceLine, key: str) -> list[SourceLine]:
    """The items of a list; a single value may stand for itself.

    Raises:
        TeachMattersError: there is none.
    """
    found = place.value if isinstance(place.value, list) else [place]
    if not found or place.value is None:
        raise place.error(f"{key!r} is empty; name at least one")
    return found


def named(place: SourceLine, key: str) -> SourceLine:
    """A text, with its place.

    Raises:
        TeachMattersError: it is something else.
    """
    if isinstance(place.value, int | float):
        raise place.error(f"{key!r} must be a text, not {shown(place)}; put it in quotes if it is meant as one")
    if not isinstance(place.value, str) or not place.value.strip():
        raise place.error(f"{key!r} must be a text, not {shown(place)}")
    return place


def shown(place: SourceLine) -> str:
    """A value as a message names it."""
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(place.value)) or repr(place.value)
