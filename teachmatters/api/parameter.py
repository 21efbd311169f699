"""Parameters that an analysis or a data set declares; ``--param NAME=VALUE`` sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Value: TypeAlias = int | float | str | bool | tuple[int, ...] | None
"""What a parameter may hold. ``None`` is a default only: the analysis then decides from the data."""

Parameters: TypeAlias = Mapping[str, Any]
"""Values by name. The runner has checked each against its declaration, so whoever declared it knows its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One declared parameter.

    Attributes:
        name: as typed on the command line.
        kind: how the text after ``=`` is read; ``ints`` is a comma-separated list.
        default: the value when nothing is given.
        summary: one line for ``tm metrics NAME`` or ``tm datasets NAME``.
        choices: the allowed values; empty means any.
        minimum, maximum: the allowed range of a number (of each one, for ``ints``), both inclusive.
        default_for: other defaults, keyed by the other party: a data set's name in an analysis's parameter, an
            analysis's name in a data set's parameter.
        in_setting: False for what does not change a number (where to save, say): it then stays out of the cell.
    """

    name: str
    kind: Literal["int", "float", "str", "bool", "ints"]
    default: Value
    summary: str
    choices: tuple[Value, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default_for: Mapping[str, Value] = field(default_factory=dict)
    in_setting: bool = True
