"""Output of the commands that list specs or show one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import typer

from teachmatters.cli import options, output
from teachmatters.reports.tables import formats

if TYPE_CHECKING:
    from teachmatters.api import Parameter


def parameters(declared: Sequence[Parameter]) -> list[str]:
    """Return one line for each parameter that ``--param`` may set: its default, what is allowed, what it means."""
    from teachmatters.runner.plan.parameters import text_of

    return [f"{each.name}={text_of(each.default) or 'auto'} ({_allowed(each)}): {each.summary}" for each in declared]


def _allowed(parameter: Parameter) -> str:
    """Return the choices or the range of a parameter, else the type of its values."""
    from teachmatters.runner.plan.parameters import text_of

    kinds = {"bool": "true, false", "str": "text", "int": "whole numbers", "float": "numbers"}
    kinds |= {"ints": "lists of whole numbers", "floats": "lists of numbers"}
    limits = number_range(parameter.minimum, parameter.maximum)
    allowed = ", ".join(map(text_of, parameter.choices)) or limits or kinds[parameter.kind]
    return f"{allowed}; a list makes one run per value" if parameter.several else allowed


def number_range(low: float | None, high: float | None) -> str:
    """Return a range in words, empty when both ends are open.

    >>> number_range(0, 2**0.5), number_range(1, None), number_range(None, 1)
    ('0 to 1.414', '1 or more', '1 or less')
    """
    if low is not None and high is not None:
        return f"{low:.4g} to {high:.4g}"
    if low is not None:
        return f"{low:.4g} or more"
    return "" if high is None else f"{high:.4g} or less"


def name_argument(complete: Callable[[str], list[str]], text: str) -> Any:
    """Return the argument of a command that lists or shows."""
    return typer.Argument(metavar="[NAME]", help=text, show_default=False, autocompletion=complete)


def matching(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that a pattern matches; none if ``name`` is not a pattern.

    >>> matching("mini-m*", ["mini-mae", "mini-dino"]), matching("mini-mae", ["mini-mae"])
    (['mini-mae'], [])
    """
    return [each for each in names if fnmatchcase(each, name)] if any(sign in name for sign in "*?[") else []


def emit_list(
    rows: Sequence[Mapping[str, object]],
    style: options.ListFormat,
    columns: Sequence[str],
    *,
    wide: bool = True,
    narrow: Sequence[str] = (),
) -> None:
    """Print all fields as JSON, or the chosen columns as a table.

    Args:
        rows: the fields by name.
        style: the format.
        columns: the columns of the table.
        wide: False to cut the rows of a terminal to its width.
        narrow: the columns of the table that is cut; by default ``columns``.
    """
    if style == "json":
        keys = list(rows[0]) if rows else list(columns)
        output.emit_table(keys, [[row[key] for key in keys] for row in rows], "json")
    else:
        cut = not wide and output.on_terminal()
        columns = narrow if cut and narrow else columns
        cells = [[_text(row[column]) for column in columns] for row in rows]
        output.emit_table(columns, output.fitted(columns, cells) if cut else cells)


def emit_one(fields: Mapping[str, object], style: options.ListFormat) -> None:
    """Print all fields of one spec; the text omits empty ones."""
    if style == "json":
        output.emit_table(list(fields), [list(fields.values())], "json")
        return
    width = max(map(len, fields)) + 2
    lines = []
    for name, value in fields.items():
        parts: list[Any] = value if isinstance(value, list) else [value]
        for i, part in enumerate(parts or [None]):
            text = formats.visible(_text(part))
            if text:
                lines.append(f"{name if i == 0 else '':{width}}{text}")
    output.emit("\n".join(lines))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) if any(" " in str(v) for v in value) else ", ".join(map(str, value))
    return "" if value is None else str(value)
