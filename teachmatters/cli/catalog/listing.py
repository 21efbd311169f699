"""Output of the commands that list specs or show one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.cli import options, output
from teachmatters.reports.tables import formats

if TYPE_CHECKING:
    from teachmatters.api import Parameter


def parameters(declared: Sequence[Parameter]) -> list[str]:
    """Return one line for each parameter that ``--param`` may set."""
    from teachmatters.runner.plan.parameters import text_of

    return [f"{each.name}={text_of(each.default) or 'auto'}: {each.summary}" for each in declared]


def emit_list(rows: Sequence[Mapping[str, object]], style: options.ListFormat, columns: Sequence[str]) -> None:
    """Print all fields as JSON, or the chosen columns as a table."""
    if style == "json":
        keys = list(rows[0]) if rows else list(columns)
        output.emit_table(keys, [[row[key] for key in keys] for row in rows], "json")
    else:
        output.emit_table(columns, [[_text(row[column]) for column in columns] for row in rows])


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
