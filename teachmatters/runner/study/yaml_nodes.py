"""A YAML file as plain values that know the line they stand on, so that what is wrong with one can be said there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from teachmatters.errors import TeachMattersError

YamlValue: TypeAlias = "dict[str, SourceLine] | list[SourceLine] | str | int | float | bool | None"

OPTION = re.compile(r"^--[a-z]+ ")
"""What a message about a value begins with where it was typed on the command line."""

MOST = 20_000
"""Values of a file. An alias counts as all that it stands for, so that a few lines cannot become millions."""
DEEPEST = 20

PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A value and where it stands: of a mapping's values the line is that of their key."""

    value: YamlValue
    line: int
    file: Path

    def error(self, message: object) -> TeachMattersError:
        """What is wrong, with file and line in front."""
        return TeachMattersError(f"{self.file}, line {self.line}: {message}")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What goes wrong inside is said with file and line in front."""
        try:
            yield
        except TeachMattersError as error:
            raise self.error(OPTION.sub("", str(error))) from error


def read_yaml(path: Path) -> SourceLine:
    """Read a file; nothing in it is ever run.

    Raises:
        TeachMattersError: it cannot be read, is no YAML, has a key twice, or a kind of value that is not plain.
    """
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise TeachMattersError(f"cannot read {str(path)!r}: {error.strerror or error}; name a YAML file") from error
    except UnicodeDecodeError as error:
        raise TeachMattersError(f"{path} is no text in UTF-8: {error.reason}; name a YAML file") from error
    except yaml.YAMLError as error:
        raise _problem(path, error) from error
    except RecursionError as error:
        raise TeachMattersError(f"{path}: it is nested too deeply to be read") from error
    if root is None:
        raise TeachMattersError(f"{path} is empty; 'models' and 'measure' are needed")
    return _Reader(path).place(root)


def _problem(path: Path, error: yaml.YAMLError) -> TeachMattersError:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return TeachMattersError(f"{path}{where}: this is no YAML: {getattr(error, 'problem', None) or error}")


class _Reader:
    """Turns the nodes of one file into places."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self.scalars = yaml.SafeLoader("")

    def place(self, node: yaml.Node, line: int = 0, depth: int = 0) -> SourceLine:
        """A node and all below it."""
        found = SourceLine(None, line or node.start_mark.line + 1, self.path)
        self.count += 1
        if self.count > MOST or depth > DEEPEST:
            raise found.error(f"more than {MOST:,} values, or nested deeper than {DEEPEST}: aliases (*) multiply both")
        if node.tag not in PLAIN:
            raise found.error(f"{node.tag!r} is no plain value; leave the tag (!) out")
        if isinstance(node, yaml.MappingNode):
            return SourceLine(dict(self._pairs(node, depth)), found.line, self.path)
        if isinstance(node, yaml.SequenceNode):
            return SourceLine([self.place(each, depth=depth + 1) for each in node.value], found.line, self.path)
        return SourceLine(self._scalar(node, found), found.line, self.path)

    def _pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[str, SourceLine]]:
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            here = SourceLine(None, line, self.path)
            if not isinstance(key, yaml.ScalarNode):
                raise here.error("a list or a mapping cannot be a key; a ? or { too many?")
            if key.value in lines:
                raise here.error(f"{key.value!r} is there twice, first in line {lines[key.value]}; keep one")
            lines[key.value] = line
            yield key.value, self.place(value, line, depth + 1)

    def _scalar(self, node: yaml.Node, found: SourceLine) -> YamlValue:
        try:
            value = self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:  # a date that there is not
            raise found.error(f"{node.value!r} cannot be read: {getattr(error, 'problem', None) or error}") from error
        plain = value is None or isinstance(value, str | int | float | bool)
        return value if plain else str(node.value)  # a date is a text to us
