"""Reads a YAML file as plain values with their lines, so that errors can name the line."""

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

# The beginning of a message about a command-line option, which a study file does not have.
OPTION = re.compile(r"^--[a-z]+ ")

# Largest number of values in a file. An alias counts as all values that it expands to, so that a few lines cannot
# become millions of values.
MOST = 20_000
DEEPEST = 20

PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A value with its file and line; a value of a mapping has the line of its key."""

    value: YamlValue
    line: int
    file: Path

    def error(self, message: object) -> TeachMattersError:
        """Return an error that begins with file and line."""
        return TeachMattersError(f"{self.file}, line {self.line}: {message}")

    @contextmanager
    def naming_line(self) -> Iterator[None]:
        """Put file and line in front of any error raised inside."""
        try:
            yield
        except TeachMattersError as error:
            raise self.error(OPTION.sub("", str(error))) from error


def read_yaml(path: Path) -> SourceLine:
    """Read a file; no code in it is executed.

    Raises:
        TeachMattersError: the file cannot be read, is not YAML, repeats a key, or has a value with a tag.
    """
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise TeachMattersError(f"cannot read {str(path)!r}: {error.strerror or error}; name a YAML file") from error
    except UnicodeDecodeError as error:
        raise TeachMattersError(f"{path} is not UTF-8 text: {error.reason}; name a YAML file") from error
    except yaml.YAMLError as error:
        raise _problem(path, error) from error
    except RecursionError as error:
        raise TeachMattersError(f"{path}: it is nested too deeply to be read") from error
    if root is None:
        raise TeachMattersError(f"{path} is empty; 'models' and 'measure' are needed")
    return _Reader(path).read(root)


def _problem(path: Path, error: yaml.YAMLError) -> TeachMattersError:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return TeachMattersError(f"{path}{where}: this is not YAML: {getattr(error, 'problem', None) or error}")


class _Reader:
    """A reader that turns the nodes of one file into values with lines."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self.scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, line: int = 0, depth: int = 0) -> SourceLine:
        """Return the value of a node and all below it."""
        found = SourceLine(None, line or node.start_mark.line + 1, self.path)
        self.count += 1
        if self.count > MOST or depth > DEEPEST:
            raise found.error(f"more than {MOST:,} values, or nested deeper than {DEEPEST}: aliases (*) multiply both")
        if node.tag not in PLAIN:
            raise found.error(f"{node.tag!r} is not a plain value; leave out the tag (!)")
        if isinstance(node, yaml.MappingNode):
            return SourceLine(dict(self._pairs(node, depth)), found.line, self.path)
        if isinstance(node, yaml.SequenceNode):
            return SourceLine([self.read(item, depth=depth + 1) for item in node.value], found.line, self.path)
        return SourceLine(self._scalar(node, found), found.line, self.path)

    def _pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[str, SourceLine]]:
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            here = SourceLine(None, line, self.path)
            if not isinstance(key, yaml.ScalarNode):
                raise here.error("a list or a mapping cannot be a key; is there an extra ? or {?")
            if key.value in lines:
                raise here.error(f"{key.value!r} appears twice, first in line {lines[key.value]}; keep one")
            lines[key.value] = line
            yield key.value, self.read(value, line, depth + 1)

    def _scalar(self, node: yaml.Node, found: SourceLine) -> YamlValue:
        try:
            value = self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:  # for instance a date that does not exist
            raise found.error(f"{node.value!r} cannot be read: {getattr(error, 'problem', None) or error}") from error
        plain = value is None or isinstance(value, str | int | float | bool)
        return value if plain else str(node.value)  # a date is read as text
